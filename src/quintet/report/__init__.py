"""A study's report: one self-contained HTML file, and the same summary in the terminal."""

from quintet.report.html import write_report
from quintet.report.terminal import print_summary

__all__ = ["print_summary", "write_report"]
