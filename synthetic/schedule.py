"""Spreads the probes of many tenants evenly over their interval."""


def phase(tenant: int, tenants: int, probe: int, probes: int, offset: float) -> float:
    """Return when in its interval a tenant's probe begins, as a share of it: 0 to 1.

    Of one probe over all its tenants the starts are equally far apart. The probes of one tenant are far apart
    too, so that they seldom want its phones at the same time, and no two starts fall on the same instant.
    `offset` shifts all of them: two services do not begin together.
    """
    # Steps of one tenant to the next take a probe to its own part of the interval, parts of a step keep the
    # probes off each other there.
    steps = tenant + tenants * probe // probes + probe / probes
    return (steps / tenants + offset) % 1.0
