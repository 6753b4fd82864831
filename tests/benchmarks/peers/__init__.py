"""symgrad beside its peers: how they are run, measured and compared.  See the README in the folder above."""
