"""A price service on the loopback interface that does the work: it reads the filter, filters, and answers in pages."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from http_server import http_server

PAGE = 2


def meter(size: str, region: str, usd: float, *, kind: str = "", system: str = "", **fields: Any) -> dict[str, Any]:
    """An item of the answer; `kind` ends the meter's name, `system` the product's."""
    return {
        "serviceName": "Virtual Machines",
        "armSkuName": size,
        "armRegionName": region,
        "priceType": "Consumption",
        "meterName": f"D4 v2{kind}",
        "productName": f"Virtual Machines Dv2 Series{system}",
        "retailPrice": usd,
        "unitOfMeasure": "1 Hour",
        **fields,
    }


class PriceService:
    """Its items, and the queries that it was asked."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = [dict(item) for item in items]
        self.queries: list[str] = []
        self.url = ""
        self.next_host: str | None = None
        """Where the next page is said to lie; None for here."""

    def answer(self, path: str) -> dict[str, Any]:
        query = parse_qs(urlsplit(path).query)
        self.queries.append(query["$filter"][0])
        wanted = dict(re.findall(r"(\w+) eq '([^']*)'", query["$filter"][0]))
        found = [item for item in self.items if all(item[name] == value for name, value in wanted.items())]
        first = int(query.get("$skip", ["0"])[0])
        link = None
        if first + PAGE < len(found):
            link = f"{self.next_host or self.url}?{urlencode({'$filter': query['$filter'][0], '$skip': first + PAGE})}"
        return {"Items": found[first : first + PAGE], "NextPageLink": link, "Count": len(found)}


@contextmanager
def price_service(items: list[dict[str, Any]]) -> Iterator[PriceService]:
    """The service, until the end of the block."""
    service = PriceService(items)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(service.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests read their own output."""

    with http_server(Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/api/retail/prices"
        yield service
