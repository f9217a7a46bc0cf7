"""A device's models: releases that somebody signed, fetched, proved and switched to so that no power cut can hurt them.

release.py     what is signed: a model's name, version, boards, and every byte of its files
signature.py   ed25519: keys, signing, checking; the one place that touches cryptography
disk.py        what changes files, in five verbs: the seam at which tests pull the plug
state.py       which version is current, which was before, how many starts are left to show that it is healthy
repository.py  the folder on the device
source.py      where a release comes from: a lampion server, any web server, a folder
fetching.py    its files, from where the last attempt broke off
trial.py       golden samples and latency, in a child process (trial_worker.py)
updating.py    all of it in order
health.py      a start of the current version: counted, confirmed, taken back
"""
