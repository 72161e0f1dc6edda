"""A body as it is sent, and the places that a problem names."""

JSON = {"Content-Type": "application/json"}


def send(api, body, name="keep", query="", **headers):
    content = body if isinstance(body, bytes) else body.encode()
    return api.post(f"/tasks/{name}{query}", content=content, headers=JSON | headers)


def places(problem):
    return [(error["loc"], error["type"]) for error in problem["errors"]]
