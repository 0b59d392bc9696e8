"""Names that are legal, unique and not reserved in another tool's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable


def identifier(name: str) -> str:
    """A name without the dots of scopes: ``nmda_interneuron.Ki`` is ``nmda_interneuron_Ki``.

    Examples
    --------
    >>> identifier("nmda_interneuron.Ki")
    'nmda_interneuron_Ki'
    """
    return re.sub(r"\W", "_", name)


class Names:
    """Gives out names of one language; the same name twice is refused by renaming the second.

    Parameters
    ----------
    reserved : words the language keeps for itself. legal : turns any name into one of allowed characters and length.
    limit : longest name. is_folded : whether upper and lower case are the same.

    Examples
    --------
    >>> names = Names({"CL"})
    >>> names.take("CL"), names.take("V"), names.take("V")
    ('CL_', 'V', 'V_')
    """

    def __init__(
        self, reserved: Iterable[str], legal: Callable[[str], str] = identifier, limit: int = 10_000, is_folded: bool = False
    ) -> None:
        self._legal, self._limit, self._fold = legal, limit, str.upper if is_folded else str
        self._used = {self._fold(word) for word in reserved}

    def reserve(self, *words: str) -> None:
        """Keep words for the language."""
        self._used |= {self._fold(word) for word in words}

    def take(self, wanted: str) -> str:
        """A free name as near to `wanted` as can be."""
        stem = self._legal(wanted)
        name, number = stem, 1
        while self._fold(name) in self._used:
            tail = "_" if number == 1 else f"_{number}"
            name, number = stem[: self._limit - len(tail)] + tail, number + 1
        self._used.add(self._fold(name))
        return name


#: Words of C++, of R's C interface and of mrgsolve that a model may not use.
_MRGSOLVE_WORDS = (
    "ID amt cmt ii ss evid addl rate time SOLVERTIME table ETA EPS AMT CMT TIME EVID II SS ADDL RATE THETA OMEGA SIGMA NEWIND "
    "DONE CFONSTOP DXDTZERO INITSOLV SETINIT SS_ADVANCE simeps simeta self report VARS pred_CL pred_VC pred_V pred_V2 pred_KA "
    "pred_Q pred_VP pred_V3 double int bool capture main ode event preamble pred global "
    "alignas alignof and asm auto break case catch char class const continue default delete do else enum explicit export extern "
    "false float for friend goto if inline long mutable namespace new not nullptr operator or private protected public register "
    "return short signed sizeof static struct switch template this throw true try typedef typename union unsigned using virtual "
    "void volatile while xor exp log log10 log1p expm1 pow sqrt fabs abs fmax fmin max min floor ceil sin cos tan tanh sinh cosh "
    "erf gamma beta lgamma tgamma y0 y1 yn j0 j1 jn I NA NAN INFINITY TRUE FALSE NULL EOF PI std Rcpp R dt t mt"
)
MRGSOLVE = frozenset(_MRGSOLVE_WORDS.split())

#: Words of NM-TRAN's abbreviated code and of PREDPP.
_NONMEM_WORDS = (
    "A A_0 A_0FLG A_UFLG ABS ACOS ADDL ALAG0 AMT ASIN ATAN CALL CALLFL CLOSE CMT COM COMACT COMRES COMSAV CONT CORRL2 COS DA DADT DATE "
    "DAT1 DAT2 DAT3 DEN_ DO DOSREC DOSTIM DOWHILE DP DT DV EL ELSE ELSEIF ENDDO ENDIF EPS EQ ERR ERROR ETA EVID EXIT EXP F F0 FO "
    "FIRSTEM FORMAT GAMLN GE GT HA I ICALL ID IF II INFN INT IPRED IREP ISFINL ISS ITER L1 L2 LAST LE LIREC LOG LOG10 LT MAX MDV "
    "MIN MIXEST MIXNUM MIXP MNOW MOD MPAST MSEC MTDIFF MTIME MU NE NEWIND NEWL2 NINDR NIREC NOT NREP NPROB OBJECT OMEGA OPEN OR "
    "P PCMT PHI PK PRED PREDPP PRINT R RATE READ RECORD RES RETURN REWIND S S0 SC SIGMA SIMEPS SIMETA SIN SKIP SQRT SS STOP T TAN "
    "TEMPLT THEN THETA THSIMP TIME TNPRI TSCALE TSTATE USERBND WHILE WRES WRITE XSCALE Y AND DES MODEL DATA INPUT TABLE DVID OCC W"
)
NONMEM = frozenset(_NONMEM_WORDS.split())


def shortened(name: str, limit: int = 20) -> str:
    """A name of capitals with at most `limit` characters: the longest words lose letters first.

    Examples
    --------
    >>> shortened("C_brain_unbound_s_ketamine")
    'C_BRAI_UNBO_S_KETAMI'
    """
    words = [word for word in "".join(c if c.isalnum() else "_" for c in name.upper()).split("_") if word]
    while len("_".join(words)) > limit:
        longest = max(range(len(words)), key=lambda i: (len(words[i]), i))
        if len(words[longest]) == 1:
            break
        words[longest] = words[longest][:-1]
    text = "_".join(words)[:limit]
    return text if text[:1].isalpha() else f"X{text}"[:limit]
