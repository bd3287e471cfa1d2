"""What a node costs: from a real HTTP service, from what it said before, from the table."""

import json
from datetime import timedelta

import pytest
from price_service import meter, price_service

from retuner.cost import prices
from retuner.cost.prices import find_price, vcpus
from retuner.errors import UserError
from retuner.search.records import now
from retuner.settings import Settings, read_settings

SIZE, REGION = "Standard_D4_v2", "eastus2"
ITEMS = [
    meter(SIZE, REGION, 0.9, system=" Windows"),
    meter(SIZE, REGION, 0.5),
    meter(SIZE, REGION, 0.05, kind=" Spot"),
    meter(SIZE, REGION, 0.1, kind=" Low Priority"),
    meter(SIZE, REGION, 300.0, unitOfMeasure="1 Month"),
    meter(SIZE, REGION, 0.2, priceType="Reservation"),
    meter(SIZE, REGION, 0.3, serviceName="Cloud Services"),
    meter(SIZE, "westeurope", 0.7),
]
NOBODY = "http://127.0.0.1:9/prices"


def settings_of(folder, url: str) -> Settings:
    return read_settings({"RETUNER_HOME": str(folder / "home"), "RETUNER_PRICES_URL": url})


@pytest.fixture
def service():
    with price_service(list(ITEMS)) as service:
        yield service


@pytest.fixture
def settings(service, tmp_path):
    return settings_of(tmp_path, service.url)


def test_the_linux_price_is_taken_from_all_pages(service, settings):
    price = find_price(SIZE, REGION, settings)
    assert (price.dedicated, price.low_priority, price.low_priority_is_estimate) == (0.5, 0.1, False)
    assert (price.source, price.date, price.note) == ("Azure Retail Prices API", now().date().isoformat(), None)
    assert len(service.queries) == 3  # five meters that the filter lets through, two a page


def test_names_are_taken_as_people_write_them(settings):
    price = find_price("standard_d4_V2", "East US 2", settings)
    assert (price.vm_size, price.region) == (SIZE, REGION)


def test_low_priority_without_a_list_price_is_an_estimate(service, settings):
    price = find_price(SIZE, "westeurope", settings)
    assert (price.low_priority, price.low_priority_is_estimate) == (0.14, True)


def test_what_was_answered_within_a_week_is_not_asked_again(service, settings):
    first = find_price(SIZE, REGION, settings)
    asked = len(service.queries)
    assert find_price(SIZE, REGION, settings) == first
    assert len(service.queries) == asked


def test_an_older_answer_is_asked_again_and_used_where_nobody_answers(service, settings, tmp_path):
    find_price(SIZE, REGION, settings)
    cache = settings.home / "prices.json"
    entries = json.loads(cache.read_text())
    old = (now().date() - timedelta(days=8)).isoformat()
    for entry in entries.values():
        entry["date"] = old
    cache.write_text(json.dumps(entries))
    alone = find_price(SIZE, REGION, settings_of(tmp_path, NOBODY))
    assert (alone.dedicated, alone.date, alone.source) == (0.5, old, "Azure Retail Prices API")
    assert "cannot be reached" in alone.note
    service.items[1]["retailPrice"] = 0.6
    assert find_price(SIZE, REGION, settings).dedicated == 0.6


def test_without_the_service_the_dated_table_is_used_and_said(tmp_path):
    price = find_price(SIZE, REGION, settings_of(tmp_path, NOBODY))
    assert (price.dedicated, price.date, price.source) == (0.458, "2026-06-18", "table in the repository")
    assert price.low_priority == 0.0916  # and not 0.09160000000000001
    assert price.note == "The price service cannot be reached (Connection refused)."
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("spoil", ["[]", '{"Items": [{}]}', "no JSON"])
def test_an_answer_of_another_form_counts_as_none(service, settings, spoil):
    service.answer = lambda path: json.loads(spoil) if spoil != "no JSON" else spoil
    price = find_price(SIZE, REGION, settings)
    assert price.source == "table in the repository"
    assert "not as its documentation says" in price.note


def test_a_next_page_on_another_host_is_not_followed(service, settings):
    service.next_host = "http://elsewhere.invalid/prices"
    assert "another host, elsewhere.invalid" in find_price(SIZE, REGION, settings).note


def test_a_cache_that_cannot_be_read_or_written_is_no_fault(service, settings):
    settings.home.mkdir()
    (settings.home / "prices.json").write_text("{")
    assert find_price(SIZE, REGION, settings).dedicated == 0.5
    (settings.home / "prices.json").unlink()
    (settings.home / "prices.json").mkdir()
    assert find_price(SIZE, REGION, settings).dedicated == 0.5


@pytest.mark.parametrize(
    ("size", "region", "words"),
    [
        (SIZE, "eastus3", "no price of Standard_D4_v2 in the region 'eastus3': similar names: eastus2"),
        ("Standard_D4_v22", REGION, "no price of the VM size 'Standard_D4_v22': similar names: Standard_D4_v2"),
    ],
)
def test_the_service_tells_what_is_near_an_unknown_name(settings, size, region, words):
    with pytest.raises(UserError) as caught:
        find_price(size, region, settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("size", "region", "words"),
    [
        (SIZE, "eastus9", "The region 'eastus9' is not in the table of 2026-06-18"),
        (SIZE, "eastus9", "similar names: eastus, eastus2"),
        ("Standard_D4_v9", REGION, "The VM size Standard_D4_v9 is not in the table"),
        ("Standard_D4_v9", REGION, "Give the price with --price-per-hour"),
        ("qqq", REGION, "known are Standard_D1_v2, Standard_D4_v2"),
    ],
)
def test_the_table_tells_what_is_near_an_unknown_name(tmp_path, size, region, words):
    with pytest.raises(UserError) as caught:
        find_price(size, region, settings_of(tmp_path, NOBODY))
    assert words in str(caught.value)


def test_a_quote_in_a_name_stays_in_its_literal(service, settings):
    with pytest.raises(UserError):
        find_price("x' or 'a' eq 'a", REGION, settings)
    assert "armSkuName eq 'x'' or ''a'' eq ''a'" in service.queries[0]


def test_every_priced_size_has_its_cores():
    assert all(vcpus(size) for size in prices._table()["usd_per_hour"])
    assert (vcpus(SIZE), vcpus("standard_d1_v2"), vcpus("Standard_X")) == (8, 1, None)
