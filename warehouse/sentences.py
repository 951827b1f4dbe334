"""Sentences of ours with values in them, which somebody who reads another language can be told in it.

A sentence is its English text: programs, commands and the API take it as any text. The console translates its message, where it
has one in the reader's language. Which messages there are is found in the source, as gettext does.
"""

from __future__ import annotations

from typing import NewType, Self

Message = NewType("Message", str)
"""Marks the text of a table that a sentence will be made of: so it is found."""


class Sentence(str):
    """An English text that knows the message and the values it was made of.

    >>> said = Sentence("Package %(id)s: %(state)s.", id="7", state=Sentence("in doubt"))
    >>> said, said.message, said.values["state"].message
    ('Package 7: in doubt.', 'Package %(id)s: %(state)s.', 'in doubt')
    """

    __slots__ = ("message", "values")

    message: str
    values: dict[str, object]

    def __new__(cls, message: str, /, **values: object) -> Self:
        """Make one of a message with `%(name)s` for each value."""
        made = super().__new__(cls, message % values)
        made.message, made.values = message, values
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        """What a copy is made of.

        >>> from copy import deepcopy
        >>> deepcopy(Sentence("%(rate)s %% of it", rate=20))
        '20 % of it'
        """
        return (self.message,), self.values
