"""What a weight is worth in a given bucket, so that another bucket changes no sum.

Law: integers, and a function of the buckets alone. Instead of making the old less at every step,
the new counts for more: all weights are told in the scale of a landmark, and what is asked is told
in that of the present bucket. Only a new landmark, every `LANDMARK_BUCKETS`, asks for new sums.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from antsp2p.coordination.weighing import PPM

if TYPE_CHECKING:
    from antsp2p.coordination.weighing import TrustSettings

LANDMARK_BUCKETS: Final = 64
"""Weights grow up to 850 times over these; and the sums of two months are done anew in one go."""


class Fading:
    """The scale of one observer. `weight` may only be asked for buckets up to `now`."""

    def __init__(self, settings: TrustSettings) -> None:
        keep = max(1, settings.keep_ppm)
        faded, left = [PPM], PPM
        while left and len(faded) < settings.horizon_buckets:
            left = left * settings.keep_ppm // PPM
            faded.append(left)
        grown = [PPM]
        for _ in range(LANDMARK_BUCKETS - 1):
            grown.append(grown[-1] * PPM // keep)
        self._faded, self._grown = tuple(faded), tuple(grown)
        self._landmark = 0
        self.now = 0
        self.scale = PPM
        """What one of now is, in units of which one of the landmark has `PPM`."""

    def move(self, now: int) -> bool:
        """It is `now`. Returns whether all weights are others than before."""
        landmark = now - now % LANDMARK_BUCKETS
        is_another, self._landmark = landmark != self._landmark, landmark
        self.now = now
        self.scale = self._grown[now - landmark]
        return is_another

    def weight(self, bucket: int) -> int:
        """What one of the bucket is, in the landmark's scale; what is to come counts as of now."""
        since = min(bucket, self.now) - self._landmark
        if since >= 0:
            return self._grown[since]
        return self._faded[-since] if -since < len(self._faded) else 0

    def left_ppm(self, buckets: int) -> int:
        """What is left of one of now when so many more buckets have passed."""
        return self._faded[buckets] if buckets < len(self._faded) else 0

    def plain(self, amount: int) -> int:
        """An amount as millionths of now."""
        return amount * PPM // self.scale
