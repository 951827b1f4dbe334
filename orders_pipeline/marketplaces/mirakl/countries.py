"""Which country a Mirakl address means: instances send ISO alpha-3, alpha-2, or a name in their own language.

What lives here: the ISO 3166 codes and the names of European and other frequent countries in English, French, German,
Spanish, Italian, Dutch and Portuguese, some also in their own language. What does not: which field of an order is
looked at first, which is the normaliser's. See https://www.iso.org/iso-3166-country-codes.html.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_ALPHA_3_AND_2 = """
ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI
BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT
BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU
CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET
FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR
GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR
IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB
LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH
MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA NCLNC NERNE
NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL
PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ
SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC
TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY
USAUS UZBUZ VATVA VCTVC VENVE VGBVG VIRVI VNMVN VUTVU WLFWF WSMWS XKXXK YEMYE ZAFZA ZMBZM ZWEZW
"""

_NAMES = """
AD Andorra|Andorre
AE United Arab Emirates|Emirats arabes unis|Vereinigte Arabische Emirate|Emiratos Árabes Unidos|Emirati Arabi Uniti
AE Verenigde Arabische Emiraten|Emirados Árabes Unidos|UAE
AL Albania|Albanie|Albanien|Albanië|Albânia
AR Argentina|Argentine|Argentinien|Argentinië
AT Austria|Autriche|Österreich|Oesterreich|Oostenrijk|Áustria
AU Australia|Australie|Australien|Australië|Austrália
BA Bosnia and Herzegovina|Bosnie-Herzégovine|Bosnien und Herzegowina|Bosnia y Herzegovina|Bosnia ed Erzegovina
BA Bosnia-Erzegovina|Bosnië en Herzegovina|Bósnia e Herzegovina
BE Belgium|Belgique|Belgien|Bélgica|Belgio|België
BG Bulgaria|Bulgarie|Bulgarien|Bulgarije|Bulgária
BR Brazil|Brésil|Brasilien|Brasil|Brasile|Brazilië
BY Belarus|Biélorussie|Bélarus|Weißrussland|Bielorrusia|Bielorussia|Wit-Rusland|Bielorrússia
CA Canada|Kanada|Canadá
CH Switzerland|Suisse|Schweiz|Suiza|Svizzera|Zwitserland|Suíça
CL Chile|Chili|Cile
CN China|Chine|Cina
CO Colombia|Colombie|Kolumbien|Colômbia
CY Cyprus|Chypre|Zypern|Chipre|Cipro
CZ Czechia|Czech Republic|Tchéquie|République tchèque|Tschechien|Tschechische Republik|Chequia|República Checa
CZ Cechia|Repubblica Ceca|Tsjechië|Tsjechische Republiek|Chéquia|Česko|Česká republika
DE Germany|Allemagne|Deutschland|Alemania|Germania|Duitsland|Alemanha|Federal Republic of Germany
DE Bundesrepublik Deutschland
DK Denmark|Danemark|Dänemark|Dinamarca|Danimarca|Denemarken|Danmark
DZ Algeria|Algérie|Algerien|Argelia|Algerije|Argélia
EE Estonia|Estonie|Estland|Estônia|Estónia|Eesti
EG Egypt|Égypte|Ägypten|Egipto|Egitto|Egypte|Egito
ES Spain|Espagne|Spanien|España|Spagna|Spanje|Espanha|Espanya
FI Finland|Finlande|Finnland|Finlandia|Finlândia|Suomi
FO Faroe Islands|Îles Féroé|Färöer|Islas Feroe|Isole Fær Øer|Faeröer|Ilhas Faroé
FR France|Frankreich|Francia|Frankrijk|França|France métropolitaine|Metropolitan France
GB United Kingdom|Great Britain|England|Scotland|Wales|Northern Ireland|UK|Royaume-Uni|Grande-Bretagne|Angleterre
GB Vereinigtes Königreich|Großbritannien|Reino Unido|Gran Bretaña|Regno Unito|Gran Bretagna|Verenigd Koninkrijk
GB Groot-Brittannië|Grã-Bretanha|United Kingdom of Great Britain and Northern Ireland
GF French Guiana|Guyane française|Guyane|Französisch-Guayana|Guayana Francesa|Guyana francese|Frans-Guyana
GF Guiana Francesa
GG Guernsey|Guernesey
GI Gibraltar|Gibilterra
GL Greenland|Groenland|Grönland|Groenlandia|Gronelândia
GP Guadeloupe|Guadalupe|Guadalupa
GR Greece|Grèce|Griechenland|Grecia|Griekenland|Grécia|Hellas
HK Hong Kong|Hongkong|Hong Kong SAR China
HR Croatia|Croatie|Kroatien|Croacia|Croazia|Kroatië|Croácia|Hrvatska
HU Hungary|Hongrie|Ungarn|Hungría|Ungheria|Hongarije|Hungria|Magyarország
IE Ireland|Irlande|Irland|Irlanda|Ierland|Republic of Ireland|Éire
IL Israel|Israël|Israele
IM Isle of Man|Île de Man|Insel Man|Isla de Man|Isola di Man|Eiland Man|Ilha de Man
IN India|Inde|Indien|Índia
IS Iceland|Islande|Island|Islandia|Islanda|IJsland|Islândia|Ísland
IT Italy|Italie|Italien|Italia|Italië|Itália
JE Jersey
JP Japan|Japon|Japón|Giappone|Japão
KR South Korea|Corée du Sud|Südkorea|Corea del Sur|Corea del Sud|Zuid-Korea|Coreia do Sul|Republic of Korea
KR Korea, Republic of
LI Liechtenstein
LT Lithuania|Lituanie|Litauen|Lituania|Litouwen|Lituânia|Lietuva
LU Luxembourg|Luxemburg|Luxemburgo|Lussemburgo|Lëtzebuerg
LV Latvia|Lettonie|Lettland|Letonia|Lettonia|Letland|Letônia|Letónia|Latvija
MA Morocco|Maroc|Marokko|Marruecos|Marocco|Marrocos
MC Monaco|Mónaco|Principato di Monaco
MD Moldova|Moldova, Republic of|République de Moldova|Moldavie|Moldau|Republik Moldau|Moldavia|Moldavië|Moldávia
MD Republic of Moldova
ME Montenegro|Monténégro
MK North Macedonia|Macédoine du Nord|Nordmazedonien|Macedonia del Norte|Macedonia del Nord|Noord-Macedonië
MK Macedônia do Norte|Macedónia do Norte|Macedonia
MQ Martinique|Martinica
MT Malta|Malte
MX Mexico|Mexique|Mexiko|México|Messico
NC New Caledonia|Nouvelle-Calédonie|Neukaledonien|Nueva Caledonia|Nuova Caledonia|Nieuw-Caledonië|Nova Caledônia
NL Netherlands|The Netherlands|Holland|Pays-Bas|Niederlande|Países Bajos|Holanda|Paesi Bassi|Olanda|Nederland
NL Países Baixos
NO Norway|Norvège|Norwegen|Noruega|Norvegia|Noorwegen|Norge
NZ New Zealand|Nouvelle-Zélande|Neuseeland|Nueva Zelanda|Nuova Zelanda|Nieuw-Zeeland|Nova Zelândia
PE Peru|Pérou|Perú|Perù
PF French Polynesia|Polynésie française|Französisch-Polynesien|Polinesia Francesa|Frans-Polynesië|Polinésia Francesa
PL Poland|Pologne|Polen|Polonia|Polônia|Polónia|Polska
PM Saint Pierre and Miquelon|Saint-Pierre-et-Miquelon
PT Portugal|Portogallo
RE Réunion|La Réunion|Reunion Island
RO Romania|Roumanie|Rumänien|Rumanía|Rumania|Roemenië|Romênia|Roménia
RS Serbia|Serbie|Serbien|Servië|Sérvia|Srbija
RU Russia|Russian Federation|Russie|Fédération de Russie|Russische Föderation|Federación Rusa|Federação Russa
RU Russische Federatie|Federazione Russa|Russland|Rusia|Rusland|Rússia
SA Saudi Arabia|Arabie saoudite|Saudi-Arabien|Arabia Saudita|Saoedi-Arabië|Saudi-Arabië|Arábia Saudita
SE Sweden|Suède|Schweden|Suecia|Svezia|Zweden|Suécia|Sverige
SG Singapore|Singapour|Singapur|Singapura
SI Slovenia|Slovénie|Slowenien|Eslovenia|Slovenië|Eslovênia|Eslovénia|Slovenija
SK Slovakia|Slovak Republic|Slovaquie|République slovaque|Slowakei|Eslovaquia|Slovacchia|Slowakije|Eslováquia
SK Slovensko
SM San Marino|Saint-Marin
TN Tunisia|Tunisie|Tunesien|Túnez|Tunesië|Tunísia
TR Turkey|Türkiye|Turquie|Türkei|Turquía|Turchia|Turkije|Turquia
TW Taiwan|Taïwan|Taiwán
UA Ukraine|Ucrania|Ucraina|Oekraïne|Ucrânia
US United States|United States of America|USA|U.S.A.|US|America|États-Unis|États-Unis d'Amérique|Etats Unis
US Vereinigte Staaten|Vereinigte Staaten von Amerika|Estados Unidos|Estados Unidos de América|EE. UU.|Stati Uniti
US Stati Uniti d'America|Verenigde Staten|Verenigde Staten van Amerika|Estados Unidos da América
VA Vatican City|Holy See|Vatican|Vatikanstadt|Ciudad del Vaticano|Città del Vaticano|Vaticaanstad|Cidade do Vaticano
XK Kosovo
YT Mayotte
ZA South Africa|Afrique du Sud|Südafrika|Sudáfrica|Sudafrica|Zuid-Afrika|África do Sul
"""

ALPHA_2: dict[str, str] = {pair[:3]: pair[3:] for pair in _ALPHA_3_AND_2.split()}
"""ISO 3166 alpha-3 to alpha-2; XKX is the code in use for Kosovo, which ISO leaves to its users."""

_CODES: dict[str, str] = ALPHA_2 | {code: code for code in ALPHA_2.values()} | {"UK": "GB", "EL": "GR"}


def from_code(text: str) -> str | None:
    """The alpha-2 code for an alpha-3 or alpha-2 code in any case; None for anything else.

    >>> from_code("fra"), from_code("FR"), from_code("INT1")
    ('FR', 'FR', None)
    """
    return _CODES.get(text) or _CODES.get(text.upper())


def from_name(text: str) -> str | None:
    """The alpha-2 code for a country's name; case, accents and punctuation do not matter; None for an unknown name.

    >>> from_name("Belgique"), from_name("PAYS BAS"), from_name("Atlantis")
    ('BE', 'NL', None)
    """
    return _by_name().get(_plain(text))


@cache
def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for row in _NAMES.strip().splitlines():
        code, _, names = row.partition(" ")
        found |= {_plain(name): code for name in names.split("|")}
    return found


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if letter.isalnum())
