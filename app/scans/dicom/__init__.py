"""DICOM: from a folder of foreign files to one series whose geometry was checked by us."""
