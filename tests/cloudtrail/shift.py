"""Plays one part of the month: scenes of users, pipelines and services until the number of calls is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from zlib import crc32

from tests.cloudtrail.company import NAMES, PERMISSION_SETS
from tests.cloudtrail.facts import Actor
from tests.cloudtrail.oddities import Oddities
from tests.cloudtrail.pieces import LOOK_ALIKES, REAL, Pieces
from tests.cloudtrail.records import KINDS, WEIGHTS

MOST: Final = 48
"""Maximum number of calls of one scene."""
SCENES_SHARE: Final = 0.35
"""The share of calls made by scenes; ordinary calls of workloads with old sessions are the rest."""
STS_CODES: Final = (
    "AccessDenied",
    "AccessDenied",
    "AccessDenied",
    "ExpiredTokenException",
    "InvalidIdentityTokenException",
    "MalformedPolicyDocumentException",
    "PackedPolicyTooLargeException",
    "RegionDisabledException",
    "ValidationError",
    "IDPRejectedClaim",
    "InvalidClientTokenId",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
)
CODES: Final = (*REAL, *LOOK_ALIKES, "NoSuchKey", "ResourceNotFoundException")


class Shift(Pieces):
    """Makes exactly the ordered number of calls."""

    def run(self) -> None:
        """Play the whole shift."""
        self.pieces()
        self.desk.close()
        scenes: dict[Callable[[], None], int] = {
            self.user: 6,
            self.person: 5,
            self.pipeline: 5,
            self.subject: 3,
            self.service: 8,
            self.partner: 1,
            self.federation: 1,
            self.any_root: 1,
            self.refusals: 2,
            self.troubles: 3,
            self.half: 1,
            self.any_edge: 2,
        }
        if self.desk.is_dirty:
            odd = Oddities(self.desk, self.chance, self.moment)
            if self.span.number % 10 == 1:
                odd.all()
            else:
                odd.one()
            scenes[odd.one] = 1
        enough = max(MOST, self.span.calls * (1 - SCENES_SHARE))
        while self.left() > enough:
            self.chance.choices(list(scenes), list(scenes.values()))[0]()
            self.desk.close()
        self.desk.close()
        self.noise()

    def noise(self) -> None:
        """Make the remaining ordinary calls."""
        chance, end = self.chance, min(self.span.end, self.span.month_end + 1)
        actors = [*self.company.standing, *self.company.services[:3]]
        for left in range(self.left(), 0, -1):
            time = chance.randrange(self.span.start, end)
            actor = chance.choice(actors)
            if left == 1 and self.span.is_last:
                time = self.span.month_end
            code = self.usual_code(actor) if chance.random() < 0.006 else ""
            self.desk.call(actor, chance.choices(KINDS, WEIGHTS)[0], time, code)

    def usual_code(self, actor: Actor) -> str:
        """The error code that this caller usually gets, of three possible codes."""
        first = crc32(actor.principal.encode())
        return CODES[(first + self.chance.randrange(3)) % len(CODES)]

    # --- callers ------------------------------------------------------------------------------------------------

    def user(self) -> None:
        """Play a user with a long-term key who has MFA always, sometimes or never."""
        number = self.chance.randrange(len(self.company.users))
        actor = self.company.users[number]
        has_mfa = self.chance.random() < (1, 0.5, 0)[number % 3]
        time = self.moment()
        if has_mfa and self.chance.random() < 0.5:
            request_asked = self.chance.choice((None, 3600, 129600))
            acting = self.desk.issue(actor, time, "GetSessionToken", asked=request_asked, has_serial=True)
            if acting is None:
                return
            self.use(acting, "mixed", most=2)
            actor, time, has_mfa = acting, self.after(acting, 20), False
        self.assume(actor, time, self.usual_role(actor), has_serial=has_mfa)

    def person(self) -> None:
        """Play a person of the directory, who logs in through Identity Center."""
        role = self.company.people_roles[self.any_account(), self.chance.choice(PERMISSION_SETS)[0]]
        actor = self.chance.choice(self.company.subjects[:-1])
        person = self.chance.choice(self.company.people)
        acting = self.desk.issue(
            actor, self.moment(), "AssumeRoleWithSAML", role, session_name=person, asked=role.duration
        )
        self.go_on(acting, role, person if self.chance.random() < 0.5 else "")

    def pipeline(self) -> None:
        """Play a GitHub Actions pipeline."""
        role = self.company.role_of(self.chance.choice(NAMES[3:6]), self.chance.choice(("Deploy", "Migrator", "Probe")))
        actor = self.chance.choice(self.company.pipelines)
        acting = self.desk.issue(
            actor,
            self.moment(),
            "AssumeRoleWithWebIdentity",
            role,
            session_name="GitHubActions",
            asked=self.chance.choice((role.duration, 1200)),
        )
        self.go_on(acting, role)

    def subject(self) -> None:
        """Play a user of the old SAML directory."""
        actor = self.chance.choice(self.company.subjects)
        role = self.usual_role(actor)
        acting = self.desk.issue(
            actor, self.moment(), "AssumeRoleWithSAML", role, session_name="saml", asked=role.duration
        )
        self.go_on(acting, role)

    def service(self) -> None:
        """Play a workload whose AWS service assumes its role."""
        actor = self.chance.choice(self.company.services)
        role = self.any_role()
        acting = self.desk.issue(
            actor, self.moment(), "AssumeRole", role, session_name=f"task-{self.chance.getrandbits(32):x}"
        )
        self.go_on(acting, role)

    def partner(self) -> None:
        """Play another company's job, which is recorded only in our account's copy."""
        actor = self.chance.choice(self.company.partners)
        self.assume(actor, self.moment(), self.usual_role(actor))

    def federation(self) -> None:
        """Play a federation broker of the company (GetFederationToken)."""
        actor = self.chance.choice(self.company.users)
        request_asked = self.chance.choice((None, 900, 7200))
        acting = self.desk.issue(
            actor, self.moment(), "GetFederationToken", session_name="visitor", asked=request_asked
        )
        if acting is not None:
            self.use(acting, self.chance.choice(("mixed", "seconds", "never")))

    def refusals(self) -> None:
        """Make the same failing request for a session several times."""
        company, chance = self.company, self.chance
        actor = chance.choice(
            [*company.users, *company.standing, *company.pipelines, *company.subjects, *company.partners]
        )
        name = {"WebIdentityUser": "AssumeRoleWithWebIdentity", "SAMLUser": "AssumeRoleWithSAML"}.get(
            actor.identity["type"], "AssumeRole"
        )
        if actor.is_user and chance.random() < 0.3:
            name = "GetSessionToken"
        role = None if name == "GetSessionToken" else self.any_role()
        code, time = chance.choice(STS_CODES), self.moment()
        without = "parameters" if chance.random() < 0.2 else ""
        for number in range(chance.choice((1, 1, 2, 3, 5))):
            has_serial = actor.is_user and chance.random() < 0.2
            self.desk.issue(
                actor,
                min(time + 2 * number, self.span.month_end),
                name,
                role,
                code=code,
                session_name="again<script>",
                without=without,
                has_serial=has_serial,
            )

    def troubles(self) -> None:
        """Make an ordinary call that is denied two times or more."""
        chance = self.chance
        actor = chance.choice([*self.company.standing, *self.company.users, *self.company.services])
        kind, code, time = chance.choice(KINDS), self.usual_code(actor), self.moment()
        for number in range(chance.choice((1, 2, 2, 3, 4, 6))):
            self.desk.call(actor, kind, min(time + number, self.span.month_end), code)
