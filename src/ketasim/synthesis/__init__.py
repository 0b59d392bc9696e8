"""Evidence synthesis: effect measures, pairwise and network meta-analysis, dose-response."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

#: Public name -> module; loaded on first use, so that the command line answers at once.
_HOMES = {
    # network
    "NETWORK_MEASURES": "_network_data",
    "BayesResult": "_bayes_result",
    "ComponentResult": "_component",
    "Contribution": "_network_contribution",
    "DoseData": "_dose_network",
    "DoseResult": "_dose_network",
    "EvidenceSplit": "_inconsistency",
    "NetHeat": "_inconsistency",
    "NetworkData": "_network_data",
    "NetworkEstimates": "_network_result",
    "NetworkRegression": "_network_regression",
    "NetworkResult": "_network_result",
    "NodeSplit": "_bayes",
    "NotConverged": "_bayes_result",
    "QDecomposition": "_inconsistency",
    "Ranking": "_ranking",
    "StudyContrasts": "_network_data",
    "bayesian_network": "_bayes",
    "bayesian_node_split": "_bayes",
    "component_network": "_component",
    "contribution": "_network_contribution",
    "decompose_q": "_inconsistency",
    "dose_network": "_dose_network",
    "league_table": "_network_result",
    "net_heat": "_inconsistency",
    "network_meta_analysis": "_network",
    "network_regression": "_network_regression",
    "p_scores": "_ranking",
    "ranking": "_ranking",
    "read_dose_network": "_dose_network",
    "read_network": "_network_input",
    "split_evidence": "_inconsistency",
}

if TYPE_CHECKING:
    from ketasim.synthesis._bayes import NodeSplit, bayesian_network, bayesian_node_split
    from ketasim.synthesis._bayes_result import BayesResult, NotConverged
    from ketasim.synthesis._component import ComponentResult, component_network
    from ketasim.synthesis._dose_network import DoseData, DoseResult, dose_network, read_dose_network
    from ketasim.synthesis._inconsistency import EvidenceSplit, NetHeat, QDecomposition, decompose_q, net_heat, split_evidence
    from ketasim.synthesis._network import network_meta_analysis
    from ketasim.synthesis._network_contribution import Contribution, contribution
    from ketasim.synthesis._network_data import NETWORK_MEASURES, NetworkData, StudyContrasts
    from ketasim.synthesis._network_input import read_network
    from ketasim.synthesis._network_regression import NetworkRegression, network_regression
    from ketasim.synthesis._network_result import NetworkEstimates, NetworkResult, league_table
    from ketasim.synthesis._ranking import Ranking, p_scores, ranking

__all__ = [
    "NETWORK_MEASURES",
    "BayesResult",
    "ComponentResult",
    "Contribution",
    "DoseData",
    "DoseResult",
    "EvidenceSplit",
    "NetHeat",
    "NetworkData",
    "NetworkEstimates",
    "NetworkRegression",
    "NetworkResult",
    "NodeSplit",
    "NotConverged",
    "QDecomposition",
    "Ranking",
    "StudyContrasts",
    "bayesian_network",
    "bayesian_node_split",
    "component_network",
    "contribution",
    "decompose_q",
    "dose_network",
    "league_table",
    "net_heat",
    "network_meta_analysis",
    "network_regression",
    "p_scores",
    "ranking",
    "read_dose_network",
    "read_network",
    "split_evidence",
]


def __getattr__(name: str) -> Any:
    """Public names are loaded on first use."""
    if name in _HOMES:
        value = getattr(import_module(f"ketasim.synthesis.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ketasim.synthesis' has no attribute '{name}'")
