"""Report of an evaluation or an experiment: plain figures in, HTML, PDF and tables out.

This room knows no cohort. Whoever evaluated hands over an `EvaluationFacts`; what is not in it is
named in the report as not shown, with the reason.
"""
