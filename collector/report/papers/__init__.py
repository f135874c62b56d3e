"""The report for papers and model cards: LaTeX tables, the Hub's metadata, figures, cards and a poster."""
