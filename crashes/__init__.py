"""Kills real trainers with SIGKILL while they save, and checks that nothing they announced is lost.

`python -m crashes --help`. `trainer.py` is what is killed, `marks.py` how it says where it is,
`folder.py` what must hold of the folder afterwards, `campaign.py` the kills, `report.py` the result.
"""
