"""Trends as one HTML file."""

from collections.abc import Sequence

from collector.findings.trend import Trend
from collector.report.chapters.trends import MEANINGS, trend_chapters
from collector.report.formats.html_page import HtmlPage, html_file
from commandline.counted import counted


def trends_html(trends: Sequence[Trend], made_at: str) -> str:
    """Write trends as a self-contained page, with the charts of each device folded.

    Args:
        trends: the trends; at least one.
        made_at: the time of now, as `utc_now` returns it.
    """
    chapters = trend_chapters(trends)
    devices = len({trend.device_id for trend in trends})
    return html_file(
        HtmlPage(
            title=f"distilbench over time: {counted(devices, 'device')}, {made_at[:10]}",
            heading="Over time",
            in_brief=" · ".join(
                (
                    f"{made_at[:16].replace('T', ' ')} UTC",
                    counted(devices, "device"),
                    counted(sum(len(trend.points) for trend in trends), "run"),
                )
            ),
            front=None,
            chapters=chapters,
            remarks=(),
            made_by="Made by distilbench.",
            meanings=MEANINGS,
        )
    )
