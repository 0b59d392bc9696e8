"""Models in other tools' languages: SBML, mrgsolve and NONMEM, and data sets that go with them. All from the one symbolic trace."""

from ketasim.exchange._dataset import dataset
from ketasim.exchange._mrgsolve import export_mrgsolve
from ketasim.exchange._nonmem import export_nonmem
from ketasim.exchange._sbml import export_sbml

__all__ = ["dataset", "export_mrgsolve", "export_nonmem", "export_sbml"]
