"""Abbreviations of many languages by what may follow them, the words that open sentences, and a user's own list.

Costs set look-ups alone. Used by `sentence_stops` on the way text -> sentences -> blocks. Abbreviations are kept
case-folded and without their last full stop ("e.g", "vol", "z.b").
"""

from __future__ import annotations

from enum import Enum, auto
from hashlib import blake2b
from pathlib import Path

from training_pro.errors import DataError


class StopMeaning(Enum):
    """What the full stop of an abbreviation can mean."""

    INSIDE = auto()  # another word always follows: "e.g."
    TITLE = auto()  # a name follows, if the abbreviation has a capital: "Gen. Grant", but "of its gen. He"
    NUMBERED = auto()  # a number follows, as in "vol. 2"; before anything else the stop is like any other
    ET_CETERA = auto()  # ends a list: a capital after it starts a sentence, a small letter continues it
    ENDING = auto()  # stands inside a sentence as well as at its end: "etc.", "a.m."


_INSIDE = """
    dr drs prof mr mrs ms messrs mme mlle e.g i.e eg ie cf viz vs approx ca incl excl resp ibid esp
    z.b z.t d.h u.a o.a i.d.r m.e s.o s.u u.u v.a bzw vgl sog sogen ggf evtl inkl exkl insb bspw geb hrsg übers verh
    p.ex p.ej c.-à-d env éd trad boul av cfr sig.ra dott dott.ssa avv egr sig
    bijv d.w.z m.b.t m.n t.a.v i.p.v i.v.m z.g.n dhr mevr mw drs
    t.ex bl.a d.v.s f.eks dvs s.k f.d p.g.a m.a.o
    np tzn tzw tzv m.in ul inż mgr płk ppłk św např tj kupř
    pl ún esim ks ns vrt nk örn bkz doç yrd krş d-l d-na
    напр т.е т.к т.н т.о см ср ул пр просп пер пл акад доц проф св гр тов гос г-н г-жа им
    вул див наприкл просп π.χ βλ δηλ λ.χ
    डॉ श्री प्रो
"""
_TITLE = """
    mm st ste mt ft fr br rev revd hon gen col maj capt cpt cmdr lt sgt cpl pvt adm gov sen rep reps pres supt insp
    det msgr sra srta dra dña da d ud uds vd vds excmo ilmo hr frl herrn dipl ing sig sigg on arch geom rag cav
    profa exmo exma eng ir bc mudr judr rndr phdr kpt op int ext κ κα κος
"""
_NUMBERED = """
    no nos nr nro num núm vol vols pp pg pgs ch chap sec sect section art arts eq eqs ex fig figs tab bd bde abb kap
    ff jg aufl ver vers bk pt par para cols str стр гл ст рис табл čl čp rys rozdz nº n.º pág págs pag lk tel ext
    apt rm cat ps exod lev matt jn rom cor tom liv sc scene act kl klo αρ σελ κεφ кв корп оф каб тел sid szt poz § №
    jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc ene abr ago dic okt dez mär genn febbr
    ott янв фев мар апр июн июл авг сен сент окт ноя дек mon tue tues wed thu thur thurs fri sat sun
"""
_ET_CETERA = """
    etc usw etcetera ecc enz osv itd itp atd apod stb jne ym vb u.s.w o.ä m.fl m.m o.s.v u.ä т.д т.п и.т.д и.т.п др
    κ.λπ κ.ά
"""
_ENDING = """
    al et.al op.cit
    a.m p.m am pm a.d b.c b.c.e c.e v.chr n.chr a.c d.c inc ltd co corp llc plc gmbh jr sr esq ph.d m.d d.d.s m.a b.a
    b.sc m.sc d.phil ll.d u.s u.k u.n e.u u.s.a u.s.s.r n.y l.a ave blvd rd dept univ assn bros bldg natl intl govt
    mgmt hrs sec secs lb lbs oz yds cent uu гг вв руб коп тыс млн млрд н.э
    μ.μ π.μ μ.χ roku zł tys mln mld
"""

KINDS: dict[str, StopMeaning] = {
    **{word: StopMeaning.ENDING for word in _ENDING.casefold().split()},
    **{word: StopMeaning.ET_CETERA for word in _ET_CETERA.casefold().split()},
    **{word: StopMeaning.NUMBERED for word in _NUMBERED.casefold().split()},
    **{word: StopMeaning.TITLE for word in _TITLE.casefold().split()},
    **{word: StopMeaning.INSIDE for word in _INSIDE.casefold().split()},
}

_STARTERS = """
    he she it they we you i the a an this that these those there then but and or so if when while what who where why
    how in on at for from after before as yes not his her its their our my your one some all no now it's he's i'm
    she's that's there's however although though since because with by to of both each many most such another
    er sie es wir ihr ich der die das ein eine und aber doch wenn als da dann dieser diese dieses im am auf mit nach
    il elle ils elles nous vous je tu on le la les un une des et mais ou où ce cette ces dans en puis pour son sa ses
    él ella ellos ellas yo nosotros el los las una y pero si cuando este esta entonces su sus
    lui lei loro noi voi io gli lo ma e se quando questo questa poi suo sua
    ele ela eles elas o os as um uma mas quando então seu
    hij zij wij jij ik het een maar toen dit deze zijn haar
    han hon hun de vi jag jeg och og men det den detta dette et ett så hans hendes
    ona ono oni my ja ale jednak to ten ta i w na po jego jej
    hän se he me minä mutta ja kun tämä
    он она оно они мы вы я но а и в на это этот эта тогда когда потом там его её
    він вона воно вони ми ви але й і у це його її
    o bu şu ben sen biz siz ama ve sonra
    ő az ez és de ha
    αυτός αυτή η το οι και αλλά όταν
"""
STARTERS = frozenset(_STARTERS.casefold().split())

_MONTHS = """
    january february march april may june july august september october november december
    januar februar märz mai juni juli oktober dezember jänner
    januari februari maart mei augustus mars juin juillet août janvier février avril septembre octobre novembre décembre
"""
MONTHS = frozenset(_MONTHS.casefold().split())

_BEFORE_ORDINAL = "am im der die das dem den des vom zum zur bis seit ab beim ins jeden nach und"
BEFORE_ORDINAL = frozenset(_BEFORE_ORDINAL.casefold().split())  # "im 2. Stock", "der 30. Juni"


MOST_LIST_BYTES = 1 << 20
MOST_WORD_CHARS = 32  # sentence_stops looks no farther back than 40 characters


def read_abbreviations(path: Path) -> frozenset[str]:
    """A user's abbreviations: one a line, with or without the last full stop; `#` starts a comment.

    They come back case-folded and without their last full stop. No such file: the empty set.

    Raises:
        DataError: the file can't be read, is not UTF-8, is far too long for a list, or has a line of more than one
            word or with a word too long for an abbreviation.
    """
    words = set()
    for number, line in enumerate(_typed(path).splitlines(), start=1):
        word = line.partition("#")[0].strip()
        if len(word.split()) > 1:
            raise DataError(
                f"Line {number} of the abbreviation list {path} is {word[:40]!r}: write one abbreviation a line."
            )
        if len(word) > MOST_WORD_CHARS:
            raise DataError(
                f"Line {number} of the abbreviation list {path} is {len(word):,} characters long ({word[:20]!r}...): "
                f"write one abbreviation of at most {MOST_WORD_CHARS} characters a line."
            )
        if word.strip("."):
            words.add(word.removesuffix(".").casefold())
    return frozenset(words)


def abbreviations_digest(abbreviations: frozenset[str]) -> str:
    """16 hexadecimal digits by which two lists can be told apart; "" for an empty one."""
    listed = "\n".join(sorted(abbreviations)).encode()
    return blake2b(listed, digest_size=8).hexdigest() if abbreviations else ""


def _typed(path: Path) -> str:
    """The text of the list; "" where there is none."""
    try:
        with path.open("rb") as file:
            written = file.read(MOST_LIST_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DataError(
            f"The abbreviation list {path} can't be read ({error.strerror}): check its permissions or remove it."
        ) from None
    if len(written) > MOST_LIST_BYTES:
        raise DataError(
            f"The abbreviation list {path} is longer than {MOST_LIST_BYTES:,} bytes: put one abbreviation a line into "
            "it, and texts to train on into the datasets folder."
        )
    try:
        return written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"The abbreviation list {path} is not UTF-8 (byte offset {error.start}): save it as UTF-8."
        ) from None
