import orjson

from gateway.http.problems import Problem


def members_of(body: object) -> dict[str, object]:
    assert isinstance(body, bytes)
    members: dict[str, object] = orjson.loads(body)
    return members


def test_a_problem_has_its_members() -> None:
    answer = Problem(
        422, "Invalid request", "One field.", kind="/problems/x", errors=[{"loc": ["a"], "msg": "b"}]
    ).response()
    assert (answer.status, answer.content_type) == (422, "application/problem+json")
    assert members_of(answer.body) == {
        "type": "/problems/x",
        "title": "Invalid request",
        "status": 422,
        "detail": "One field.",
        "errors": [{"loc": ["a"], "msg": "b"}],
    }


def test_the_title_is_the_detail_where_there_is_no_more_to_say() -> None:
    assert members_of(Problem(404, "Not found").response().body) == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "Not found",
    }


def test_a_raised_problem_is_the_same_answer() -> None:
    fault = Problem(429, "Too many", "Wait.", headers={"Retry-After": "7"}, more=1)
    answer = fault.response()
    assert (answer.status, answer.headers["Retry-After"], str(fault)) == (429, "7", "Wait.")
    assert members_of(answer.body)["more"] == 1
