"""All that is known of one payment: `reading.py` finds it, `known.py` is what it says."""

from danbao_core.explaining.known import Approved, Explanation, Hold, Posted, Timer, Told
from danbao_core.explaining.reading import MOST_OF_A_KIND, explain

__all__ = ["MOST_OF_A_KIND", "Approved", "Explanation", "Hold", "Posted", "Timer", "Told", "explain"]
