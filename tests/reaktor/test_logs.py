"""What must never stand in a log."""

from reaktor.logs import mask


def test_tokens_and_session_ids_are_masked_wherever_they_stand() -> None:
    line = '"GET /socket.io/?token=SECRET1&EIO=3&sid=0.1.SECRET2&t=x HTTP/1.1" 200 and sid=SECRET3'
    assert mask(line) == '"GET /socket.io/?token=***&EIO=3&sid=***&t=x HTTP/1.1" 200 and sid=***'


def test_other_parameters_are_left_alone() -> None:
    assert mask("?inside=1&EIO=4") == "?inside=1&EIO=4"
