"""What ``ketasim synthesize network`` computes, writes and shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.cli import _show
from ketasim.cli._outputs import FIGURES, check_file
from ketasim.errors import InvalidOption

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.synthesis import BayesResult, NetworkData, NetworkFunnel, NetworkResult

_TABLES = ("league", "contribution", "funnel")


def files_of(wanted: Mapping[str, Path | None]) -> dict[str, Path]:
    """Files asked for; a wrong ending or an unwritable place is refused before anything is computed."""
    found = {name: path for name, path in wanted.items() if path is not None}
    for name, path in found.items():
        check_file(path, (".csv", *FIGURES) if name in _TABLES else FIGURES, f"--{name}")
    if len({path.resolve() for path in found.values()}) < len(found):
        raise InvalidOption("two outputs have the same name; give each its own.")
    return found


@dataclass
class Analysis:
    """One call: what was asked, and the results once `run`."""

    data: Path
    measure: str
    reference: str
    models: tuple[str, ...]
    tau2: str
    level: float
    prediction: str
    small_values: str
    node_split: bool
    covariate: str
    slopes: str
    components: bool
    inactive: str
    dose: str
    bayes: bool
    sampling: dict[str, Any]
    order: tuple[str, ...] = ()
    rare: str = ""
    result: NetworkResult | None = None
    found: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Compute everything that was asked for."""
        from ketasim import synthesis as syn

        if self.dose:
            self._run_dose()
            return
        network = syn.read_network(self.data, self.measure, covariates=(self.covariate,) if self.covariate else ())
        options: dict[str, Any] = {"tau2": self.tau2, "level": self.level, "prediction": self.prediction}
        if self.components:
            self.found["components"] = syn.component_network(network, self.inactive, **options)
            if len(network.components()) > 1:
                return
        self.result = result = syn.network_meta_analysis(network, reference=self.reference, **options)
        self.found["decomposition"] = syn.decompose_q(result)
        method = "node-splitting" if self.node_split else "back-calculation"
        self.found["split"] = {m: syn.split_evidence(result, m, method) for m in self.models}
        self.found["ranking"] = {
            m: syn.ranking(result.model(m), self.small_values, seed=self.sampling["seed"]) for m in self.models
        }
        if self.covariate:
            tau2 = self.tau2
            self.found["regression"] = syn.network_regression(
                network, self.covariate, result.reference, interaction=self.slopes, tau2=tau2, level=self.level
            )
        if self.rare:
            self.found["rare"] = syn.rare_network(network, result.reference, method=self.rare, level=self.level)
        if self.bayes:
            self._run_bayes(network)

    def _run_dose(self) -> None:
        from ketasim import synthesis as syn

        network = syn.read_dose_network(self.data, self.measure)
        self.found["dose"] = {
            m: syn.dose_network(network, self.dose, model=m, tau2=self.tau2, level=self.level) for m in self.models
        }

    def _run_bayes(self, network: NetworkData) -> None:
        from ketasim import synthesis as syn

        base = self._fitted().reference
        options = self.sampling | {"level": self.level}
        for model in self.models:
            _show.note(f"Sampling the {model}-effects model ...")
            fit = syn.bayesian_network(network, base, model=model, covariate=self.covariate, interaction=self.slopes, **options)
            self.found.setdefault("bayes", {})[model] = fit
            if self.node_split:
                _show.note("Splitting nodes ...")
                split = syn.bayesian_node_split(network, base, model=model, **options)
                self.found.setdefault("bayes_split", {})[model] = split

    def _fitted(self) -> NetworkResult:
        if self.result is None:
            raise InvalidOption(
                "the network is disconnected; only the component model was fitted, and this output needs the standard one."
            )
        return self.result

    @property
    def model(self) -> str:
        """Model of the figures: random unless only common was asked for."""
        return self.models[-1]

    def write(self, files: Mapping[str, Path]) -> None:
        """Tables and figures, all of them or none: whatever is refused is refused before the first is written."""
        from ketasim.report import save_figure
        from ketasim.writing import replacing

        made = {path: self._table(name) if path.suffix.lower() == ".csv" else self._figure(name) for name, path in files.items()}
        for path, one in made.items():
            if path.suffix.lower() == ".csv":
                with replacing(path) as part:
                    one.to_csv(part)
            else:
                save_figure(one, path)
            _show.note(f"Written: {path}")

    def _table(self, name: str) -> pd.DataFrame:
        from ketasim import synthesis as syn

        result = self._fitted()
        if name == "funnel":
            return self._funnel().table.set_index("study")
        if name == "league":
            ranked = self.found["ranking"][self.model]
            order = dict(zip(ranked.treatments, ranked.p_score, strict=True))
            return syn.league_table(result.model(self.model), order)
        return syn.contribution(result, self.model).to_dataframe()

    def _funnel(self) -> NetworkFunnel:
        from ketasim.synthesis import network_funnel

        if "funnel" not in self.found:
            self.found["funnel"] = network_funnel(self._fitted(), self.order, self.model)
        return self.found["funnel"]

    def _figure(self, name: str) -> Any:
        from ketasim import report
        from ketasim import synthesis as syn

        if self.dose:
            if name != "figure":
                raise InvalidOption(f"--{name}: not for a dose-response network; --figure draws its curves.")
            return report.dose_curve_figure(self.found["dose"][self.model])
        if name == "figure" and self.result is None:
            raise InvalidOption("--figure: the network is disconnected; there is no graph of one network to draw.")
        result, model = self._fitted(), self.model
        if name == "figure":
            return report.network_figure(result.data)
        if name == "league":
            return report.league_figure(result, model, self.found["ranking"][model].treatments)
        if name == "rankogram":
            fit: BayesResult | None = self.found.get("bayes", {}).get(model)
            return report.rankogram_figure(fit.ranking(self.small_values) if fit else self.found["ranking"][model])
        if name == "funnel":
            return report.comparison_funnel_figure(self._funnel())
        if name == "net-heat":
            return report.net_heat_figure(syn.net_heat(result, model))
        if name == "contribution":
            return report.contribution_figure(syn.contribution(result, model), result.reference)
        return report.split_figure(self.found["split"][model], self.level)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data for ``--json``."""
        out: dict[str, Any] = {}
        if self.result is not None:
            out = self._network_dict(self.result)
        if "components" in self.found:
            out["components"] = self.found["components"].as_dict()
        if "dose" in self.found:
            out["dose_response"] = {m: r.as_dict() for m, r in self.found["dose"].items()}
        if "regression" in self.found:
            out["regression"] = self.found["regression"].as_dict()
        if "bayes" in self.found:
            out["bayes"] = {
                m: r.as_dict() | {"ranking": r.ranking(self.small_values).as_dict()} for m, r in self.found["bayes"].items()
            }
        if "bayes_split" in self.found:
            out["bayes_node_split"] = {m: r.as_dict() for m, r in self.found["bayes_split"].items()}
        return out | {"notice": _show.NOTICE}

    def _network_dict(self, result: NetworkResult) -> dict[str, Any]:
        out = result.as_dict()
        rows = {m: result.model(m).versus().to_dict("records") for m in self.models}
        for m in self.models:
            out[m] = {r["treat1"]: [r["estimate"], r["se"]] for r in rows[m]}
        if result.data.is_log:
            out["scale"] = (
                f"estimate, se, ci_ and pi_ are log {result.data.measure.upper()}; fields exp_ are {result.data.measure.upper()}"
            )
            keys = ("exp_estimate", "exp_ci_low", "exp_ci_high")
            out["exponentiated"] = {m: {r["treat1"]: [r[k] for k in keys] for r in rows[m]} for m in self.models}
        out["estimates"] = {m: {r["treat1"]: {k: v for k, v in r.items() if k != "treat1"} for r in rows[m]} for m in self.models}
        out["league"] = {m: result.model(m).to_dataframe().to_dict("records") for m in self.models}
        ranks = {m: self.found["ranking"][m].as_dict() for m in self.models}
        out["small_values"] = self.small_values
        out["p_score"] = {m: ranks[m]["p_score"] for m in self.models}
        out["ranking"] = ranks
        out["Q_decomposition"] = self.found["decomposition"].as_dict()
        out["node_split"] = {m: self.found["split"][m].as_dict() for m in self.models}
        if "rare" in self.found:
            out["rare"] = {"method": self.rare} | self.found["rare"].as_dict()
        if "funnel" in self.found:
            fit = self.found["funnel"]
            out["funnel"] = {"order": list(fit.order), "effects": fit.table.to_dict("records"), "egger": fit.egger.as_dict()}
        out["excluded_studies"] = dict(result.data.excluded)
        return out

    def show(self) -> None:
        """Tables for people."""
        if self.result is not None:
            self._show_network(self.result)
        if "components" in self.found:
            fit = self.found["components"]
            _show.text(f"Additive components (inactive: {fit.inactive or 'none'}); tau2 {fit.tau2:.4g}.")
            _show.frame(fit.to_dataframe(), numbers_from=2)
            _show.text(_q_text("Q of the additive model", fit.q_additive))
            if fit.q_difference:
                _show.text(_q_text("Q above the standard model (tests additivity)", fit.q_difference))
        for model, fit in self.found.get("dose", {}).items():
            _show.text(
                f"Dose-response ({fit.shape}), {model} effects; tau2 {fit.tau2:.4g}, Q {fit.q:.4g} (df {fit.df}), AIC {fit.aic:.5g}."
            )
            _show.frame(fit.to_dataframe(), numbers_from=2)
        if "regression" in self.found:
            fit = self.found["regression"]
            _show.text(
                f"Regression on {fit.covariate} ({fit.n_studies} studies, effects at {fit.center}): residual tau2 {fit.tau2:.4g}, "
                f"without the covariate {fit.tau2_without:.4g}."
            )
            _show.frame(fit.to_dataframe())
        for model, fit in self.found.get("bayes", {}).items():
            self._show_bayes(model, fit)

    def _show_network(self, result: NetworkResult) -> None:
        _show.text(str(result))
        log = result.data.is_log
        for model in self.models:
            ranked = self.found["ranking"][model]
            scores = dict(zip(ranked.treatments, ranked.p_score, strict=True))
            rows = []
            for r in result.model(model).versus().to_dict("records"):
                keys = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
                numbers = [r.get(f"exp_{k}" if log else k, math.nan) for k in keys]
                rows.append((r["treat1"], *numbers, f"{r['p']:.2g}", scores[r["treat1"]]))
            head = (result.data.measure.upper(), "CI low", "CI high", "PI low", "PI high", "p", "P-score")
            _show.table(("against " + result.reference, *head), rows, f"{model.capitalize()} effects")
        if "random" in self.models and result.random.prediction:
            _show.text(f"Prediction interval: {result.random.prediction} (--prediction).")
        _show.text(f"P-score: 1 is best. Small values are {self.small_values} (--small-values).")
        d = self.found["decomposition"]
        _show.text(_q_text("Within designs", d.within) + "  " + _q_text("Between designs", d.between))
        _show.text(_q_text("Between designs, random effects (design-by-treatment)", d.random))
        rows = [r for r in self.found["split"][self.model].rows if math.isfinite(r["p"])]
        if rows:
            rows.sort(key=lambda r: r["p"])
            body = [
                (f"{r['treat1']} : {r['treat2']}", r["studies"], r["direct"], r["indirect"], r["difference"], r["p"])
                for r in rows
            ]
            title = f"Direct and indirect evidence ({self.found['split'][self.model].method}{', log scale' if log else ''})"
            _show.table(("comparison", "studies", "direct", "indirect", "difference", "p"), body[:10], title)
        if "rare" in self.found:
            keys = ("exp_estimate", "exp_ci_low", "exp_ci_high")
            rows = [(r["treat1"], *(r[k] for k in keys), f"{r['p']:.2g}") for r in self.found["rare"].versus().to_dict("records")]
            _show.table(
                (f"against {result.reference}", "OR", "CI low", "CI high", "p"), rows, f"Rare events ({self.rare}), common effect"
            )
        if "funnel" in self.found:
            egger = self.found["funnel"].egger
            _show.text(
                f"Comparison-adjusted funnel, {egger.k} effects: Egger's test t {egger.statistic:.2f} (df {egger.df}), p {egger.p:.2g}."
            )
        if result.data.excluded:
            _show.note(f"Left out: {'; '.join(f'{k} ({v})' for k, v in result.data.excluded.items())}.")

    def _show_bayes(self, model: str, fit: BayesResult) -> None:
        _show.text(
            f"Bayesian, {model} effects, {fit.likelihood} likelihood. Priors: {'; '.join(f'{k}: {v}' for k, v in fit.priors.items())}. "
            f"Residual deviance {fit.fit.deviance:.1f} on {fit.fit.points} points, pD {fit.fit.p_d:.1f}, DIC {fit.fit.dic:.1f}. "
            f"R-hat {fit.diagnostics.max_rhat:.3f}, effective draws {fit.diagnostics.min_ess:.0f}."
        )
        _show.frame(fit.parameters())
        _show.frame(fit.ranking(self.small_values).to_dataframe())
        split = self.found.get("bayes_split", {}).get(model)
        if split is not None:
            shown = ["treat1", "treat2", "direct", "indirect", "difference", "difference_sd", "p", "dic"]
            _show.frame(
                split.to_dataframe()[shown], f"Bayesian node-splitting (consistent model: DIC {split.dic_consistent:.1f})", 2
            )


def _q_text(name: str, q: tuple[float, int, float]) -> str:
    return f"{name}: Q {q[0]:.2f}, df {q[1]}" + (f", p {q[2]:.2g}." if math.isfinite(q[2]) else ".")
