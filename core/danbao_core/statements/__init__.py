"""Statements as files: what a balance held, what moved it in a period and what it held then, as CSV and as PDF.

`reading.py` finds the lines, `csv_file.py` and `pdf_file.py` write them, `words.py` names things in the reader's language.
"""
