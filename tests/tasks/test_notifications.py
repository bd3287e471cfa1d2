"""Messages to people: none of them may end the flow run that has something to tell."""

import socket

from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.notification_blocks import send


def test_an_api_that_is_away_is_told_and_not_raised():
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: away, PREFECT_CLIENT_MAX_RETRIES: 0}):
            [fault] = send(["slack-webhook/our-team"], "a champion", "it is better")
    assert fault.startswith("The block 'slack-webhook/our-team' cannot be read from Prefect: ")


def test_a_block_that_is_not_there_is_named(api):
    with temporary_settings({PREFECT_API_URL: api}):
        [fault] = send(["slack-webhook/nobody-made-it"], "a champion", "it is better")
    assert fault.startswith("There is no block 'slack-webhook/nobody-made-it': make it in the Prefect UI")
