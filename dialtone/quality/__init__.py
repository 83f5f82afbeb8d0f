"""How well it works, as figures: ratios of RFC 6076 and what they prove, RTP streams, the E-model (pure)."""

from dialtone.quality.emodel import (
    CODECS,
    G711,
    G711_PLC,
    G729,
    G7231,
    GSM_EFR,
    OPUS,
    Codec,
    buffer_of,
    burst_ratio,
    delay_impairment,
    delay_of,
    loss_impairment,
    mos,
    mos_of_r,
    r_factor,
)
from dialtone.quality.ratios import Ratios, added, ratios
from dialtone.quality.reception import Received, Reception, Score, score
from dialtone.quality.wilson import Z_95, wilson

__all__ = [
    "added",
    "buffer_of",
    "burst_ratio",
    "Codec",
    "CODECS",
    "delay_impairment",
    "delay_of",
    "G711",
    "G711_PLC",
    "G7231",
    "G729",
    "GSM_EFR",
    "loss_impairment",
    "mos",
    "mos_of_r",
    "OPUS",
    "r_factor",
    "Ratios",
    "ratios",
    "Received",
    "Reception",
    "score",
    "Score",
    "wilson",
    "Z_95",
]
