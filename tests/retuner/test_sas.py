"""What is said of a signature before it is used."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from retuner.storage.sas import Place, check_sas

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLACE = Place("https://account.blob.core.windows.net", "retunes")
SECRET = "c2VjcmV0K3NpZ25hdHVyZQ=="
GOOD = {
    "sv": "2024-11-04",
    "sr": "c",
    "sp": "cw",
    "se": "2026-11-23T20:00:00Z",
    "spr": "https",
    "sip": "20.1.2.3",
    "skoid": "0",
    "sig": SECRET,
}


def make(**changes):
    fields = {**GOOD, **changes}
    return urlencode({name: value for name, value in fields.items() if value is not None})


def check(sas, use="upload", place=PLACE, **options):
    return check_sas(sas, use, place, now=NOW, **options)


def errors(findings):
    return [finding.message for finding in findings if finding.severity == "error"]


def warnings(findings):
    return [finding.message for finding in findings if finding.severity == "warning"]


@pytest.mark.parametrize("form", ["{}", "?{}", "https://account.blob.core.windows.net/retunes?{}", "  {}\n"])
def test_a_good_sas_has_no_finding_however_it_was_copied(form):
    assert check(form.format(make())) == []


def test_a_start_that_is_old_enough_for_every_clock_has_no_finding():
    assert check(make(st="2026-11-23T11:45:00Z")) == []


def test_a_read_sas_may_read_and_list():
    for permissions in ("r", "rl"):
        assert check(make(sp=permissions), "read") == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"se": "2026-11-23T11:59:59Z"}, "expired at 2026-11-23 11:59 UTC"),
        ({"se": "2026-11-23"}, "expired at 2026-11-23 00:00 UTC"),
        ({"se": "2026-12-01T12:00:00Z"}, "longer than 7 days"),
        ({"se": None}, "no readable expiry"),
        ({"se": "tomorrow"}, "no readable expiry"),
        ({"st": "2026-11-23T12:30:00Z"}, "not valid before 2026-11-23 12:30 UTC, and it is 2026-11-23 12:00 UTC here"),
        ({"sp": "c"}, "no write permission (sp=c)"),
        ({"sp": "r"}, "no write permission (sp=r)"),
        ({"sp": None}, "grants nothing"),
        ({"spr": "https,http"}, "permits plain http (spr=https,http)"),
        ({"spr": None}, "permits plain http"),
        ({"ss": "b", "srt": "co", "sr": None}, "an account SAS (ss=b, srt=co)"),
        ({"sr": "b"}, "a single blob"),
        ({"sig": None}, "is no SAS"),
    ],
)
def test_what_cannot_work_or_opens_too_much_is_an_error(changes, words):
    (message,) = errors(check(make(**changes)))
    assert words in message
    assert "The upload SAS" in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"se": "2026-11-25T12:00:00Z"}, "longer than 24 hours"),
        ({"st": "2026-11-23T12:00:00Z"}, "starts at 2026-11-23 12:00 UTC, less than 15 minutes ago"),
        ({"st": "2026-11-23T11:46:00Z"}, "less than 15 minutes ago: machines whose clock is behind are refused"),
        ({"sip": None}, "works from every address"),
        ({"skoid": None}, "signed with the account's key"),
        ({"sp": "rcwd"}, "grants more than it needs (read, delete): sp=cw is enough"),
        ({"se": None, "sp": None, "si": "policy"}, "follows the stored access policy 'policy'"),
    ],
)
def test_what_could_be_safer_is_a_warning(changes, words):
    findings = check(make(**changes))
    assert errors(findings) == []
    assert any(words in message for message in warnings(findings))


@pytest.mark.parametrize(
    "address",
    [
        "https://account.blob.core.windows.net/other",
        "https://account.blob.core.windows.net/retunes-old",
        "https://another.blob.core.windows.net/retunes",
        "https://account.blob.core.windows.net/retunes/elsewhere",
    ],
)
def test_the_address_of_another_place_is_an_error_that_names_both(address):
    (message,) = errors(check(f"{address}?{make()}", place=Place(PLACE.account_url, "retunes", "faq")))
    assert f"is for {address}" in message
    assert "the parameters name https://account.blob.core.windows.net/retunes/faq" in message


def test_the_address_of_a_directory_fits_the_prefix_in_it():
    sas = f"{PLACE.container_url}/team%20a?{make(sr='d', sdd='1')}"
    assert check(sas, place=Place(PLACE.account_url, "retunes", "team a/faq")) == []


def test_a_sas_that_ends_before_the_plan_is_an_error():
    until = NOW + timedelta(hours=9)
    assert "before the search may end (2026-11-23 21:00 UTC)" in errors(check(make(), until=until))[0]
    assert errors(check(make(), until=NOW + timedelta(hours=7))) == []


def test_the_emulator_on_this_machine_may_speak_http_from_any_address():
    place = Place("http://127.0.0.1:10000/devstoreaccount1", "retunes")
    assert check(make(spr=None, sip=None), place=place) == []


def test_all_errors_are_told_and_come_before_the_warnings():
    findings = check(make(sp="r", spr=None, se="2020-01-01", skoid=None))
    assert [finding.severity for finding in findings] == ["error"] * 3 + ["warning"] * 2


def test_an_error_says_how_to_make_a_better_one():
    assert (
        "az storage container generate-sas --account-name account --name retunes --permissions r"
        in errors(check(make(sp="w"), "read"))[0]
    )


def test_no_finding_repeats_the_signature():
    faults = [{"se": None}, {"sp": "d"}, {"spr": None}, {"ss": "b", "srt": "o"}, {"sr": "b"}, {"st": "2030-01-01"}]
    for changes in faults:
        for finding in check(f"https://x.example/y?{make(**changes)}"):
            assert SECRET not in finding.message
            assert urlencode({"sig": SECRET}) not in finding.message
