"""The differentiable target on whatever JAX finds (GPU or CPU): patients per second, and agreement with the CPU engine.

Run: python benchmarks/gpu.py [--patients N]
"""

from __future__ import annotations

import argparse
import time

import jax
import numpy as np

from ketasim import library
from ketasim.dose import parse, resolve
from ketasim.model import assemble
from ketasim.solve import Reference, differentiable, solve


def main() -> None:
    """Run once to compile, once to measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--patients", type=int, default=4096)
    options.add_argument("--model", default="clements1981")
    chosen = options.parse_args()
    n = chosen.patients
    model = assemble(library.load(chosen.model))
    template = resolve(parse("0.5 mg/kg ketamine iv over 40 min"), model, {"WT": np.full(n, 70.0)})
    rng = np.random.default_rng(1)
    params = {k: v * np.exp(0.3 * rng.standard_normal(n)) for k, v in model.typical().items()}
    times = np.linspace(0.0, 24.0, 97)
    reference = Reference(template.take(slice(0, 8)), {k: v[:8] for k, v in params.items()})
    function = jax.jit(differentiable(model, template, params, times, rtol=1e-6, reference=reference))
    jax.block_until_ready(function(params))
    begin = time.perf_counter()
    _, ports = jax.block_until_ready(function(params))
    spent = time.perf_counter() - begin
    own = solve(model, template, params, times, rtol=1e-6, reference=reference).ports
    worst = float(np.max(np.abs(np.asarray(ports) - own) / np.abs(own).max()))
    print(
        f"{jax.devices()[0]}: {n / spent:,.0f} patients per second; largest difference from the CPU engine {worst:.1e} of the peak"
    )


if __name__ == "__main__":
    main()
