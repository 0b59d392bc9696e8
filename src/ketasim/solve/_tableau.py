"""Coefficients of the Rosenbrock methods, in the transformed form that needs no matrix-vector product.

For y' = f(y), W = I/(h gamma) - J:   W k_i = f(y + sum_j a_ij k_j) + sum_j c_ij k_j / h,   y1 = y + sum_j b_j k_j.
Both methods are stiffly accurate and L-stable; the last increment is the embedded error estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tableau:
    """A Rosenbrock method.

    Attributes
    ----------
    a, c : rows of stage coefficients (row i has i entries).
    dense : rows of H; k'_m = sum_j H_mj k_j gives y(theta) = (1-theta) y0 + theta (y1 + (1-theta)(k'_1 + theta (k'_2 + theta k'_3))).
    repeats : stages i whose argument is the previous argument plus the previous increment (rows of `a` that only append a 1).
    """

    name: str
    order: int
    gamma: float
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    dense: tuple[tuple[float, ...], ...]
    source: str

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self.a)

    @property
    def nodes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(alpha, gamma) per stage: where a stage looks at the input, as a share of the step, and its weight of df/dt."""
        rows = [[*row, *[0.0] * (self.stages - len(row))] for row in self.c]
        inverse = np.diag(np.full(self.stages, 1.0 / self.gamma)) - np.array(rows)
        weights = np.linalg.inv(inverse)
        a = np.array([[*row, *[0.0] * (self.stages - len(row))] for row in self.a])
        alpha = np.round((a @ weights).sum(axis=1), 12)
        return tuple(map(float, alpha)), tuple(map(float, np.round(weights.sum(axis=1), 12)))

    def repeats(self, stage: int) -> bool:
        """Whether the argument of `stage` is that of the stage before plus its increment."""
        return stage > 0 and self.a[stage] == (*self.a[stage - 1], 1.0)


def hermite(s: float) -> tuple[float, ...]:
    """Weights of x0, h x0', h^2 x0'', h^2 x1'', h x1', x1 at the share s of a step."""
    return (
        1 - 10 * s**3 + 15 * s**4 - 6 * s**5, s - 6 * s**3 + 8 * s**4 - 3 * s**5, 0.5 * s**2 - 1.5 * s**3 + 1.5 * s**4 - 0.5 * s**5,
        0.5 * s**3 - s**4 + 0.5 * s**5, -4 * s**3 + 7 * s**4 - 3 * s**5, 10 * s**3 - 15 * s**4 + 6 * s**5,
    )  # fmt: skip


_R4_5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)
RODAS4 = Tableau(
    "RODAS4",
    4,
    0.25,
    (
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _R4_5,
        (*_R4_5, 1.0),
    ),
    (
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    (
        (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0),
        (-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0),
    ),
    "Hairer E, Wanner G. Solving Ordinary Differential Equations II, 2nd ed., Springer 1996, section IV.7 (code RODAS)",
)

_R5P_6 = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
RODAS5P = Tableau(
    "RODAS5P",
    5,
    0.21193756319429014,
    (
        (),
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        _R5P_6,
        (*_R5P_6, 1.0),
        (*_R5P_6, 1.0, 1.0),
    ),
    (
        (),
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623, -28.087943162872662),
        (
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ),
    ),
    (
        (
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ),
        (
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ),
        (
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ),
    ),
    "Steinebach G. Construction of Rosenbrock-Wanner method Rodas5P. BIT Numer Math 2023;63:27, doi:10.1007/s10543-023-00967-x",
)
