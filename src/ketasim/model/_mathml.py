"""Equations as MathML, which browsers show without any script: from the symbolic trace, nothing typed a second time."""

# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# SymPy's annotations give its base class where it returns expressions.

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ketasim.model._declare import CovariateEffect, Number

#: How tightly an expression holds together: what is looser gets brackets.
_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_SIGNS = {">": "&gt;", "<": "&lt;", ">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}


def equation(left: str, right: str) -> str:
    """Two sides as one displayed formula."""
    return f'<math displaystyle="true"><mrow>{left}<mo>=</mo>{right}</mrow></math>'


def derivative(name: str) -> str:
    """d name / dt."""
    return f"<mfrac><mrow><mi>d</mi><mspace width='0.1em'/>{symbol(name)}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"


def symbol(name: str) -> str:
    """A name: what follows the first underscore stands below the line."""
    stem, _, rest = name.partition("_")
    return f"<msub>{_word(stem)}{_word(rest.replace('_', ' '), small=True)}</msub>" if stem and rest else _word(name)


def expression(expr: Any) -> str:
    """A SymPy expression."""
    import sympy

    whole = expr.replace(lambda e: e.is_Float and abs(float(e)) == 1.0, lambda e: sympy.Integer(int(e)))  # 1.0 says nothing
    return _written(whole)[0]


def individual(name: str, number: Number) -> str:
    """Typical value, covariate effects and random variation of one parameter, as a formula."""
    text, level = _number(number.value), _ATOM
    for effect in number.covariates:
        text, level = _effect(text, level, effect)
    etas = [f"<msub><mi>η</mi>{_word(name)}</msub>"] if number.iiv is not None else []
    etas += [f"<msub><mi>κ</mi>{_word(name)}</msub>"] if number.iov is not None else []
    form = (number.iiv or number.iov).form if etas else ""  # type: ignore[union-attr]
    eta = "<mo>+</mo>".join(etas)
    if form == "lognormal":
        text = f"{_held(text, level, _PRODUCT)}<mo>·</mo><msup><mi>e</mi><mrow>{eta}</mrow></msup>"
    elif form == "normal":
        text = f"{text}<mo>+</mo>{eta}"
    elif form == "logit":
        text = f"<mi>expit</mi>{_bracket(f'<mi>logit</mi>{_bracket(text)}<mo>+</mo>{eta}')}"
    return equation(symbol(name), f"<mrow>{text}</mrow>")


def _effect(text: str, level: int, e: CovariateEffect) -> tuple[str, int]:
    x, ref, by = symbol(e.by), _number(e.ref), _number(abs(e.coefficient))
    sign = "−" if e.coefficient < 0 else "+"
    difference = _bracket(f"{x}<mo>−</mo>{ref}")
    if e.form.endswith("_above"):
        difference = f"<mi>max</mi>{_bracket(f'{x}<mo>−</mo>{ref}<mo>,</mo><mn>0</mn>')}"
    if e.form.startswith("additive"):
        return f"{text}<mo>{sign}</mo>{by}<mo>·</mo>{difference}", _SUM
    if e.form.startswith("power"):
        counted = x if e.form == "power" else f"<mrow><mi>min</mi>{_bracket(f'{x}<mo>,</mo>{ref}')}</mrow>"
        ratio = _bracket(f"<mfrac>{counted}{ref}</mfrac>")
        factor = ratio if e.coefficient == 1.0 else f"<msup><mrow>{ratio}</mrow>{_number(e.coefficient)}</msup>"
    elif e.form.startswith("linear"):
        factor = _bracket(f"<mn>1</mn><mo>{sign}</mo>{by}<mo>·</mo>{difference}")
    elif e.form == "exponential":
        minus = "<mo>−</mo>" if e.coefficient < 0 else ""
        factor = f"<msup><mi>e</mi><mrow>{minus}{by}<mo>·</mo>{difference}</mrow></msup>"
    else:
        factor = _cases([(_number(f), f"{x}<mo>=</mo><mtext>{escape(level)}</mtext>") for level, f in e.levels.items()] + [("<mn>1</mn>", "")])  # fmt: skip
    return f"{_held(text, level, _PRODUCT)}<mo>·</mo>{factor}", _PRODUCT


def _word(text: str, small: bool = False) -> str:
    return f"<mi>{escape(text)}</mi>" if text.isalnum() and not small else f"<mtext>{escape(text)}</mtext>"


def _number(value: float) -> str:
    text = f"{value:.6g}"
    if "e" in text:
        mantissa, _, power = text.partition("e")
        ten = f"<msup><mn>10</mn><mn>{int(power)}</mn></msup>".replace("<mn>-", "<mn>−")
        return ten if mantissa == "1" else f"<mrow><mn>{mantissa}</mn><mo>·</mo>{ten}</mrow>"
    return f"<mn>{text}</mn>" if value >= 0 else f"<mrow><mo>−</mo><mn>{text[1:]}</mn></mrow>"


def _bracket(inside: str) -> str:
    return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"


def _held(text: str, level: int, needed: int) -> str:
    return text if level >= needed else _bracket(text)


def _cases(rows: list[tuple[str, str]]) -> str:
    body = "".join(
        f"<mtr><mtd>{value}</mtd><mtd><mtext>{'if&#160;' if condition else 'otherwise'}</mtext>{condition}</mtd></mtr>"
        for value, condition in rows
    )
    return f'<mrow><mo stretchy="true">{{</mo><mtable class="cases">{body}</mtable></mrow>'


def _written(e: Any) -> tuple[str, int]:
    """MathML of an expression and how tightly it holds."""
    import sympy

    if e.is_Symbol:
        return symbol(str(e)), _ATOM
    if e.is_Number:
        return _constant(e)
    if e.is_Add:
        return _sum(e), _SUM
    if e.is_Mul:
        return _product(e)
    if e.is_Pow:
        return _power(e)
    if isinstance(e, sympy.exp):
        return f"<msup><mi>e</mi><mrow>{expression(e.args[0])}</mrow></msup>", _POWER
    if isinstance(e, sympy.Piecewise):
        return _cases([(f"<mrow>{expression(v)}</mrow>", "" if c == True else expression(c)) for v, c in e.args]), _ATOM  # noqa: E712
    if e.is_Relational:
        return f"{expression(e.lhs)}<mo>{_SIGNS[e.rel_op]}</mo>{expression(e.rhs)}", _SUM
    name = {"Max": "max", "Min": "min", "log": "ln"}.get(type(e).__name__, type(e).__name__)
    return f"<mi>{name}</mi>{_bracket('<mo>,</mo>'.join(expression(a) for a in e.args))}", _ATOM


def _constant(e: Any) -> tuple[str, int]:
    if e.is_Rational and not e.is_Integer:
        above = f"<mfrac><mn>{abs(int(e.p))}</mn><mn>{int(e.q)}</mn></mfrac>"
        return (f"<mo>−</mo>{above}" if e.p < 0 else above), (_SUM if e.p < 0 else _ATOM)
    return _number(float(e)), _ATOM if float(e) >= 0 else _SUM


def _sum(e: Any) -> str:
    terms = sorted(e.as_ordered_terms(), key=lambda term: bool(term.could_extract_minus_sign()))
    out = ""
    for i, term in enumerate(terms):
        negative = bool(term.could_extract_minus_sign())
        text, level = _written(-term if negative else term)
        sign = "<mo>−</mo>" if negative else "<mo>+</mo>" if i else ""
        out += sign + _held(text, level, _PRODUCT if negative else _SUM)
    return out


def _product(e: Any) -> tuple[str, int]:
    number, rest = e.as_coeff_Mul()
    sign = "<mo>−</mo>" if number < 0 else ""
    above, below = [] if abs(number) == 1 else [_constant(abs(number))[0]], []
    for factor in rest.as_ordered_factors():
        base, exponent = factor.as_base_exp()
        if exponent.is_number and exponent.is_negative:
            below.append(_written(base**-exponent))
        else:
            text, level = _written(factor)
            above.append(_held(text, level, _PRODUCT))
    top = "<mo>·</mo>".join(above) or "<mn>1</mn>"
    if not below:
        return sign + top, _SUM if sign else _PRODUCT
    bottom = below[0][0] if len(below) == 1 else "<mo>·</mo>".join(_held(t, lv, _PRODUCT) for t, lv in below)
    return f"{sign}<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>", _SUM if sign else _PRODUCT


def _power(e: Any) -> tuple[str, int]:
    base, exponent = e.as_base_exp()
    if exponent.is_number and exponent.is_negative:
        return f"<mfrac><mn>1</mn><mrow>{expression(base**-exponent)}</mrow></mfrac>", _PRODUCT
    if exponent.is_Rational and exponent.p == 1 and exponent.q == 2:
        return f"<msqrt>{expression(base)}</msqrt>", _ATOM
    text, level = _written(base)
    return f"<msup><mrow>{_held(text, level, _ATOM)}</mrow><mrow>{expression(exponent)}</mrow></msup>", _POWER
