"""What every page of the console needs, and none is about: who visits, forms, queries, rendering."""
