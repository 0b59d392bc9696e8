"""Evidence synthesis: effect measures, pairwise and network meta-analysis, dose-response."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

#: Public name -> module; loaded on first use, so that the command line answers at once.
_HOMES = {
    # questions
    "Question": "_questions",
    "QuestionAnswer": "_questions",
    "answer_question": "_questions",
    "pooled_percentage": "_questions",
    "questions": "_questions",
    # pairwise
    "AsymmetryTest": "_bias",
    "CountArm": "_effect_arms",
    "EffectSize": "_effects",
    "FewStudies": "_regression",
    "Heterogeneity": "_heterogeneity",
    "MeanArm": "_effect_arms",
    "PairwiseData": "_pairwise_data",
    "PairwiseResult": "_pairwise",
    "Pooled": "_pairwise_pool",
    "RegressionResult": "_regression",
    "Series": "_pairwise",
    "SkewedData": "_effect_arms",
    "Subgroup": "_pairwise",
    "TAU2_METHODS": "_heterogeneity",
    "TrimFill": "_bias",
    "asymmetry_test": "_bias",
    "cluster_adjusted": "_effect_designs",
    "combine_arms": "_effect_arms",
    "crossover_counts": "_effect_designs",
    "crossover_effect": "_effect_designs",
    "crossover_margins": "_effect_designs",
    "crossover_trials": "_questions",
    "effect_of_counts": "_questions",
    "design_effect": "_effect_designs",
    "effect": "_effects",
    "hedges_factor": "_effects",
    "mantel_haenszel": "_pairwise_pool",
    "meta_regression": "_regression",
    "multi_arm_effects": "_effects",
    "pairwise": "_pairwise",
    "pool_correlated": "_effects",
    "read_pairwise": "_pairwise_input",
    "trim_and_fill": "_bias",
    # curves in time and dose
    "ArmMean": "_timecourse_data",
    "DoseModel": "_dose_response_mbma",
    "DoseResponse": "_dose_response_mbma",
    "TimeCourseData": "_timecourse_data",
    "TimeCourseResult": "_timecourse",
    "dose_response": "_dose_response_mbma",
    "evidence_time_course": "_timecourse_data",
    "fit_time_course": "_timecourse",
    "read_time_course": "_timecourse_data",
    # network
    "NETWORK_MEASURES": "_network_data",
    "BayesResult": "_bayes_result",
    "ComponentResult": "_component",
    "Contribution": "_network_contribution",
    "DoseData": "_dose_network",
    "DoseResult": "_dose_network",
    "EvidenceSplit": "_network_split",
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
    "direct_evidence": "_network_split",
    "dose_network": "_dose_network",
    "league_table": "_network_result",
    "MultilevelResult": "_multilevel",
    "NetworkFunnel": "_network_bias",
    "multilevel": "_multilevel",
    "net_heat": "_inconsistency",
    "network_funnel": "_network_bias",
    "rare_network": "_network_rare",
    "network_meta_analysis": "_network",
    "network_regression": "_network_regression",
    "p_scores": "_ranking",
    "ranking": "_ranking",
    "read_dose_network": "_dose_network",
    "read_network": "_network_input",
    "split_evidence": "_network_split",
}

if TYPE_CHECKING:
    from ketasim.synthesis._bayes import NodeSplit, bayesian_network, bayesian_node_split
    from ketasim.synthesis._bayes_result import BayesResult, NotConverged
    from ketasim.synthesis._bias import AsymmetryTest, TrimFill, asymmetry_test, trim_and_fill
    from ketasim.synthesis._component import ComponentResult, component_network
    from ketasim.synthesis._dose_network import DoseData, DoseResult, dose_network, read_dose_network
    from ketasim.synthesis._dose_response_mbma import DoseModel, DoseResponse, dose_response
    from ketasim.synthesis._effect_arms import CountArm, MeanArm, SkewedData, combine_arms
    from ketasim.synthesis._effect_designs import (
        cluster_adjusted,
        crossover_counts,
        crossover_effect,
        crossover_margins,
        design_effect,
    )
    from ketasim.synthesis._effects import EffectSize, effect, hedges_factor, multi_arm_effects, pool_correlated
    from ketasim.synthesis._heterogeneity import TAU2_METHODS, Heterogeneity
    from ketasim.synthesis._inconsistency import NetHeat, QDecomposition, decompose_q, net_heat
    from ketasim.synthesis._multilevel import MultilevelResult, multilevel
    from ketasim.synthesis._network import network_meta_analysis
    from ketasim.synthesis._network_bias import NetworkFunnel, network_funnel
    from ketasim.synthesis._network_contribution import Contribution, contribution
    from ketasim.synthesis._network_data import NETWORK_MEASURES, NetworkData, StudyContrasts
    from ketasim.synthesis._network_input import read_network
    from ketasim.synthesis._network_rare import rare_network
    from ketasim.synthesis._network_regression import NetworkRegression, network_regression
    from ketasim.synthesis._network_result import NetworkEstimates, NetworkResult, league_table
    from ketasim.synthesis._network_split import EvidenceSplit, direct_evidence, split_evidence
    from ketasim.synthesis._pairwise import PairwiseResult, Series, Subgroup, pairwise
    from ketasim.synthesis._pairwise_data import PairwiseData
    from ketasim.synthesis._pairwise_input import read_pairwise
    from ketasim.synthesis._pairwise_pool import Pooled, mantel_haenszel
    from ketasim.synthesis._questions import (
        Question,
        QuestionAnswer,
        answer_question,
        crossover_trials,
        effect_of_counts,
        pooled_percentage,
        questions,
    )
    from ketasim.synthesis._ranking import Ranking, p_scores, ranking
    from ketasim.synthesis._regression import FewStudies, RegressionResult, meta_regression
    from ketasim.synthesis._timecourse import TimeCourseResult, fit_time_course
    from ketasim.synthesis._timecourse_data import ArmMean, TimeCourseData, evidence_time_course, read_time_course

__all__ = [
    "NETWORK_MEASURES",
    "TAU2_METHODS",
    "ArmMean",
    "AsymmetryTest",
    "BayesResult",
    "ComponentResult",
    "Contribution",
    "CountArm",
    "DoseData",
    "DoseModel",
    "DoseResponse",
    "DoseResult",
    "EffectSize",
    "EvidenceSplit",
    "FewStudies",
    "Heterogeneity",
    "MeanArm",
    "MultilevelResult",
    "NetHeat",
    "NetworkData",
    "NetworkEstimates",
    "NetworkFunnel",
    "NetworkRegression",
    "NetworkResult",
    "NodeSplit",
    "NotConverged",
    "PairwiseData",
    "PairwiseResult",
    "Pooled",
    "QDecomposition",
    "Question",
    "QuestionAnswer",
    "Ranking",
    "RegressionResult",
    "Series",
    "SkewedData",
    "StudyContrasts",
    "Subgroup",
    "TimeCourseData",
    "TimeCourseResult",
    "TrimFill",
    "answer_question",
    "asymmetry_test",
    "bayesian_network",
    "bayesian_node_split",
    "cluster_adjusted",
    "combine_arms",
    "component_network",
    "contribution",
    "crossover_counts",
    "crossover_effect",
    "crossover_margins",
    "crossover_trials",
    "decompose_q",
    "design_effect",
    "direct_evidence",
    "dose_network",
    "dose_response",
    "effect",
    "effect_of_counts",
    "evidence_time_course",
    "fit_time_course",
    "hedges_factor",
    "league_table",
    "mantel_haenszel",
    "meta_regression",
    "multi_arm_effects",
    "multilevel",
    "net_heat",
    "network_funnel",
    "network_meta_analysis",
    "network_regression",
    "p_scores",
    "pairwise",
    "pool_correlated",
    "pooled_percentage",
    "questions",
    "ranking",
    "rare_network",
    "read_dose_network",
    "read_network",
    "read_pairwise",
    "read_time_course",
    "split_evidence",
    "trim_and_fill",
]


def __getattr__(name: str) -> Any:
    """Public names are loaded on first use."""
    if name in _HOMES:
        value = getattr(import_module(f"ketasim.synthesis.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ketasim.synthesis' has no attribute '{name}'")
