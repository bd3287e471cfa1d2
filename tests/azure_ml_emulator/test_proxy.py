"""The proxy and the certificates: what leads here, and what goes nowhere."""

import ssl
import urllib.request

import pytest
import requests


def test_other_hosts_are_refused_and_written_down(emulator):
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        requests.get("https://dc.services.visualstudio.com/v2/track", timeout=10)
    assert "dc.services.visualstudio.com" in emulator.record.refused_hosts


def test_unencrypted_requests_are_refused(emulator):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": emulator.environment["HTTPS_PROXY"]}))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        opener.open("http://management.azure.com/subscriptions", timeout=10)
    assert refusal.value.code == 403
    refusal.value.close()


def test_who_does_not_trust_the_authority_is_not_served(emulator):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get("https://management.azure.com/subscriptions", verify=ssl.get_default_verify_paths().cafile)


def test_everything_listens_on_the_loopback_interface_alone(emulator):
    assert emulator.environment["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert emulator.inspect(lambda service: service.blobs.account.server).startswith("http://127.0.0.1:")


def test_a_blob_is_reached_under_the_products_host_name(emulator, azurite):
    container = azurite.new_container()
    address = f"https://devstoreaccount1.blob.core.windows.net/{container}/a%20b/c.txt?{azurite.sas(container, 'rw')}"
    body = b"x" * 300_000
    requests.put(address, data=body, headers={"x-ms-blob-type": "BlockBlob"}).raise_for_status()
    assert requests.get(address).content == body
    assert requests.head(address).headers["Content-Length"] == "300000"
