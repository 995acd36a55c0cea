"""Every result in one SQLite file with one writer."""

from allometry.store.declarations import EarlierCode as EarlierCode
from allometry.store.store import Store as Store
from allometry.store.store import StudyStatus as StudyStatus
from allometry.store.verify import Damage as Damage
from allometry.store.verify import Verification as Verification

__all__ = ["Damage", "EarlierCode", "Store", "StudyStatus", "Verification"]
