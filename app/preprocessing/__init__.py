"""From a raw run to clean parcel series: one step a file, in the order of `steps.STEPS`.

Slice timing, a T1 image and fieldmaps are not used in this version; `STEPS` says so.
"""
