"""Scenes that are played in certain shifts, whatever the seed: on both sides of each limit in a definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.cloudtrail.company import PERMISSION_SETS
from tests.cloudtrail.crew import Crew
from tests.cloudtrail.records import KINDS

WATCHED: Final = "dsops-deploy-payments"
"""The session name at the end of each shift's longest chain."""
HALF_PAST_FIVE: Final = 19_800
"""Seconds into a shift at which a role is assumed: a report can begin at this time."""
REAL: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "Client.UnauthorizedOperation",
    "UnauthorizedOperation",
    "AccessDeniedByPolicy",
    "KMS.AccessDenied",
    "Kms.AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorized",
    "Forbidden",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "Client.RequestLimitExceeded",
    "SlowDown",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
)
LOOK_ALIKES: Final = (
    "accessdenied",
    "ForbiddenException",
    "NotAuthorizedException",
    "MyAuthorizationError",
    "UnauthorizedOperations",
    "Client.Throttling",
    "ThrottlingExceptionX",
    "slowdown",
    "NotForbidden",
    "AuthorizationErrorX",
)


class Pieces(Crew):
    """Scenes with fixed roles."""

    def pieces(self) -> None:
        """Play the scenes of this shift."""
        self.longest_chain()
        self.edge(self.span.number)
        self.at_moments()
        self.codes()
        if self.span.number % 5 == 0:
            self.root(300)
            self.half()
            self.denied()
        if self.span.is_last:
            self.newcomers()
            self.new_addresses()
            self.alone_with_mfa()

    def longest_chain(self) -> None:
        """Play a chain of five hops from a caller with an odd name."""
        first = (self.company.subjects, self.company.pipelines)[self.span.number % 2]
        actor = first[self.span.number % len(first)]
        name = "AssumeRoleWithSAML" if actor.identity["type"] == "SAMLUser" else "AssumeRoleWithWebIdentity"
        time = self.span.start + 1 + self.span.number
        path = (("shared", "Deploy"), ("security", "Auditor"), ("staging", "Migrator"), ("data", "ReadOnly"))
        acting = self.desk.issue(
            actor,
            time,
            name,
            self.company.role_of("development", "Deploy"),
            session_name=f"start-{self.span.number}",
            source_identity="ada@example.com",
        )
        for number, (account, role) in enumerate(path, 1):
            if acting is None:
                return
            session_name = WATCHED if number == len(path) else f"hop-{number}"
            acting = self.desk.issue(
                acting,
                time + 5 * number,
                "AssumeRole",
                self.company.role_of(account, role),
                session_name=session_name,
                asked=1800,
            )
        if acting is not None:
            self.use(acting, "mixed", most=4)

    def newcomers(self) -> None:
        """Play new principals on used roles, and account pairs that never called before."""
        for number, actor in enumerate(self.company.newcomers):
            role = self.company.role_of(("development", "vault")[number % 2], "Deploy")
            time = self.moment()
            self.desk.issue(actor, time, "AssumeRole", role, session_name="new", has_serial=number == 0)
            if number == 1:
                self.desk.issue(actor, time, "AssumeRole", role, session_name="new", code="AccessDenied")
        for number, person in enumerate(self.company.new_people):
            role = self.company.people_roles["development", PERMISSION_SETS[number][0]]
            actor = self.company.subjects[-1]
            acting = self.desk.issue(actor, self.moment(), "AssumeRoleWithSAML", role, session_name=person)
            if acting is not None:
                self.desk.issue(
                    acting,
                    self.after(acting, 9),
                    "AssumeRole",
                    self.company.role_of("staging", "Deploy"),
                    session_name="first-day",
                )

    def new_addresses(self) -> None:
        """Play a user of the first shift at a new address, once refused, at the known one, and through a service."""
        user, role = self.company.early[0], self.company.role_of("shared", "ReadOnly")
        for address in (
            "192.0.2.77",
            "192.0.2.77",
            "2001:db8::7",
            user.address,
            "AWS Internal",
            "athena.amazonaws.com",
        ):
            actor, code = replace(user, address=address), "AccessDenied" if ":" in address else ""
            self.desk.issue(actor, self.moment(), "AssumeRole", role, session_name="elsewhere", code=code)

    def alone_with_mfa(self) -> None:
        """Play a role where one user sometimes has MFA and no other does; a denied call is not one without MFA."""
        role = self.company.role_of("vault", "Auditor")
        for has_serial in (True, False):
            self.desk.issue(
                self.company.newcomers[2],
                self.moment(),
                "AssumeRole",
                role,
                session_name="alone",
                has_serial=has_serial,
            )
        role = self.company.role_of("development", "Deploy")
        self.desk.issue(
            self.company.users[2], self.moment(), "AssumeRole", role, session_name="no", code="AccessDenied"
        )

    def at_moments(self) -> None:
        """Issue sessions exactly at the boundary between old and new, and at a time from which a report may begin."""
        span, company = self.span, self.company
        if span.start + HALF_PAST_FIVE < span.end:
            actor = company.early[span.number % len(company.early)]
            self.desk.issue(
                actor,
                span.start + HALF_PAST_FIVE,
                "AssumeRole",
                company.role_of("shared", "Deploy"),
                session_name="half-past-five",
            )
        boundary = span.month_end - 86400
        if span.start <= boundary < span.end:
            self.desk.issue(
                company.newcomers[3],
                boundary,
                "AssumeRole",
                company.role_of("shared", "Deploy"),
                session_name="boundary",
            )
            self.desk.issue(
                company.newcomers[3],
                boundary,
                "AssumeRole",
                company.role_of("vault", "Deploy"),
                session_name="boundary",
            )

    def denied(self) -> None:
        """Play a workload that is denied three times, which counts, and a user denied twice, which does not."""
        actor, kind = self.company.standing[self.span.number % 5], KINDS[3]
        for _ in range(3):
            self.desk.call(actor, kind, self.moment(), "AccessDeniedException")
        for _ in range(2 if self.span.number == 0 else 0):
            self.desk.call(self.company.early[0], kind, self.moment(), "AccessDenied")

    def codes(self) -> None:
        """Make equally many errors with a code that counts as denial or throttling, and with one that resembles it."""
        for codes in (REAL, LOOK_ALIKES):
            code = codes[self.span.number % len(codes)]
            for _ in range(3):
                self.desk.call(self.company.standing[-1], KINDS[3], self.moment(), code)

    def half(self) -> None:
        """Make a successful call whose answer is not recorded: it counts as no session."""
        actor = self.chance.choice([*self.company.users, *self.company.standing])
        self.desk.issue(
            actor,
            self.moment(),
            "AssumeRole",
            self.any_role(),
            session_name="half",
            without="answer",
            has_serial=self.chance.random() < 0.3,
        )

    def any_root(self) -> None:
        """Call AssumeRoot with the default duration or a shorter one."""
        self.root(self.chance.choice((None, 300)))

    def root(self, asked: int | None) -> None:
        """Call AssumeRoot (central administration of member accounts' root users) with this duration."""
        role = self.company.people_roles["management", "AdministratorAccess"]
        admin = self.desk.issue(
            self.company.subjects[-2], self.moment(), "AssumeRoleWithSAML", role, session_name=self.company.people[0]
        )
        if admin is not None:
            target = self.any_role()
            code = "AccessDenied" if self.chance.random() < 0.2 else ""
            root = self.desk.issue(admin, self.after(admin, 60), "AssumeRoot", target, asked=asked, code=code)
            if root is not None:
                self.use(root, "mixed", most=3)

    def any_edge(self) -> None:
        """Play a random edge case."""
        self.edge(self.chance.randrange(100))

    def edge(self, number: int) -> None:
        """Play a session whose last use is on one side of a limit."""
        roles = ("Administrator", "SecretsReader", "Probe", "Nightly")
        request_asked = (900, 901, 3600, 3600)[number % 4]
        bounds = (
            0,
            59,
            60,
            5,
            request_asked - 61,
            request_asked - 60,
            request_asked - 59,
            request_asked,
            request_asked + 1,
            request_asked + 30,
        )
        last = bounds[number % len(bounds)]
        role = self.company.role_of("security", "SecretsReader" if last < 100 else self.chance.choice(roles))
        actor = self.chance.choice(self.company.standing)
        acting = self.desk.issue(actor, self.moment(), "AssumeRole", role, session_name="edge", asked=request_asked)
        if acting is not None:
            self.use_until(acting, last, most=3)
