"""How well it works, as figures: the ratios of RFC 6076 (pure)."""

from dialtone.quality.ratios import Ratios, added, ratios

__all__ = ["Ratios", "added", "ratios"]
