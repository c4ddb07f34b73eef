"""Attacks on signed XML: nobody becomes whom the provider has not named, and serving goes on.

Wrapping is numbered as in "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security 2012) and in the tools made
after it. Each document holds the company's signature, good for `alice`; each wants to be `mallory`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from dsops.errors import SandboxRefusal
from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.saml.response import verify
from dsops.sandbox.state.world import SamlProvider
from dsops.sandbox.wire.errors import answer_of
from tests.identity_provider import NAMESPACES, PERSISTENT, Element, IdentityProvider, encoded
from tests.unit.sandbox.test_saml import DEPLOY, PROVIDER, asked

CORP = IdentityProvider()
KNOWN = SamlProvider(PROVIDER, "111111111111", "Corp", CORP.metadata())
NOW = time.time()
SHORT = (
    "MIIBuTCCAUOgAwIBAgIUT5bG3kVb8ltGV3/0dOl+P40tOCkwDQYJKoZIhvcNAQELBQAwEDEOMAwGA1UEAwwFc2hvcnQwIBcNMjYxMTI0MTkz"
    "NjMwWhgPMjEyNjEwMzExOTM2MzBaMBAxDjAMBgNVBAMMBXNob3J0MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAOnfH9atwLiGvC8p9aRkGQBt"
    "BAiACBGxucZ4PYH2dG4bmnRehGDye7Plm+qK5pADXN9uYOkGohBsWUH8IX2wzg8xLomIXq0EErCp2qh0ozRgEXPgFUyhroErgDKZglAsPQID"
    "AQABo1MwUTAdBgNVHQ4EFgQU7qVSJQWVNSBG/wc46x8wf7C7YeIwHwYDVR0jBBgwFoAU7qVSJQWVNSBG/wc46x8wf7C7YeIwDwYDVR0TAQH/"
    "BAUwAwEB/zANBgkqhkiG9w0BAQsFAANhAGcJTD6lKTf3EeYcLYHzcHIxAPyrhJITltnbg3QUDv285qi4aW5X9FYzvpma8WFLEasVwJ506tO+"
    "nxZrElmLxmyS1Nzqk+9AkKpuiPS0SC8mAECmhBJBtxpGW4OhZtpqwQ=="
)
"""A certificate of openssl's with a key of 768 bits; cryptography makes none as short."""
SIGNED = "Response signature invalid"
UNREADABLE = "The SAML response can't be read"


def judged(document: Element | bytes | str, provider: SamlProvider = KNOWN, now: float = NOW) -> str:
    """`= SUBJECT` of the proof, or the refusal's message; anything else that is raised fails the test."""
    text = document if isinstance(document, str) else encoded(document)
    try:
        return f"= {verify(text, DEPLOY, provider, now).subject}"
    except SandboxRefusal as refused:
        return answer_of(refused).message


def good_assertion(**more: Any) -> Element:
    """Unsigned, for alice."""
    return CORP.assertion(NOW, asked(), **more)


def good(what: str = "assertion") -> Element:
    """A signed response for alice: its assertion, itself, or both."""
    assertion = good_assertion()
    response = CORP.response(NOW, CORP.sign(assertion) if what != "response" else assertion)
    return response if what == "assertion" else CORP.sign(response)


def assertion_of(response: Element) -> Element:
    """The first assertion in it."""
    return next(response.iter(f"{{{NAMESPACES['saml']}}}Assertion"))


def signature_of(element: Element) -> Element:
    """Its own signature."""
    return element.find("ds:Signature", NAMESPACES)


def evil(assertion: Element, new_id: str | None = "_evil") -> Element:
    """A copy that speaks of mallory, without its signature; None keeps the id."""
    copy = deepcopy(assertion)
    signature = signature_of(copy)
    if signature is not None:
        copy.remove(signature)
    copy.find("saml:Subject/saml:NameID", NAMESPACES).text = "mallory"
    if new_id is not None:
        copy.set("ID", new_id)
    return copy


def test_the_responses_themselves_are_good() -> None:
    """What the attacks change is good before."""
    assert [judged(good(what)) for what in ("assertion", "response", "both")] == ["= alice"] * 3


# --- wrapping --------------------------------------------------------------------------------------------------


def wrap_1() -> Element:
    """An evil response around, the signed one inside its signature."""
    original = good("response")
    outer = deepcopy(original)
    outer.set("ID", "_evil-response")
    outer.replace(assertion_of(outer), evil(assertion_of(outer)))
    inner = deepcopy(original)
    inner.remove(signature_of(inner))
    signature_of(outer).append(inner)
    return outer


def wrap_2() -> Element:
    """An evil response, the signed one before a signature that is detached."""
    original = good("response")
    outer = deepcopy(original)
    outer.set("ID", "_evil-response")
    outer.replace(assertion_of(outer), evil(assertion_of(outer)))
    inner = deepcopy(original)
    inner.remove(signature_of(inner))
    outer.insert(1, inner)
    return outer


def wrap_3() -> Element:
    """An evil assertion before the signed one."""
    response = good()
    assertion = assertion_of(response)
    response.insert(response.index(assertion), evil(assertion))
    return response


def wrap_3_behind() -> Element:
    """An evil assertion behind the signed one."""
    response = good()
    response.append(evil(assertion_of(response)))
    return response


def wrap_4() -> Element:
    """An evil assertion around the signed one."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    response.replace(assertion, outer)
    outer.append(assertion)
    return response


def wrap_5() -> Element:
    """The signature stands in the evil assertion, what it signs at the end of the response."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    response.append(assertion)
    return response


def wrap_6() -> Element:
    """The signature stands in the evil assertion, what it signs inside the signature."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    signature.append(assertion)
    return response


def wrap_7() -> Element:
    """The signed assertion in Extensions, where any element may stand."""
    response = good()
    assertion = assertion_of(response)
    extensions = etree.Element(f"{{{NAMESPACES['samlp']}}}Extensions")
    response.replace(assertion, extensions)
    extensions.append(assertion)
    response.append(evil(assertion))
    return response


def wrap_8() -> Element:
    """The signed assertion in an Object of the signature that stands in the evil one."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object").append(assertion)
    return response


def same_id() -> Element:
    """Both have one id."""
    response = good()
    assertion = assertion_of(response)
    response.insert(response.index(assertion), evil(assertion, None))
    return response


def id_in_other_letters() -> Element:
    """The evil one has the signed one's id as its `Id`, which some look at first."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    outer.set("Id", assertion.get("ID"))
    signature = signature_of(assertion)
    assertion.remove(signature)
    outer.insert(1, signature)
    response.replace(assertion, outer)
    etree.SubElement(signature, f"{{{NAMESPACES['ds']}}}Object").append(assertion)
    return response


def signed_response_in_extensions() -> Element:
    """A whole good response inside an unsigned one that has no assertion of its own."""
    outer = CORP.response(NOW, response_id="_outer")
    extensions = etree.SubElement(outer, f"{{{NAMESPACES['samlp']}}}Extensions")
    extensions.append(good("response"))
    return outer


def two_signatures() -> Element:
    """A good signature of the assertion twice over, a reference of the second one changed."""
    response = good()
    assertion = assertion_of(response)
    second = deepcopy(signature_of(assertion))
    second.find(".//ds:Reference", NAMESPACES).set("URI", "#_r1")
    assertion.insert(1, second)
    return response


def advice() -> Element:
    """The signed assertion as the advice of an evil one, a place that SAML itself has for it."""
    response = good()
    assertion = assertion_of(response)
    outer = evil(assertion)
    response.replace(assertion, outer)
    etree.SubElement(outer, f"{{{NAMESPACES['saml']}}}Advice").append(assertion)
    return response


@pytest.mark.parametrize(
    "attack",
    [
        wrap_1,
        wrap_2,
        wrap_3,
        wrap_3_behind,
        wrap_4,
        wrap_5,
        wrap_6,
        wrap_7,
        wrap_8,
        same_id,
        id_in_other_letters,
        signed_response_in_extensions,
        two_signatures,
        advice,
    ],
)
def test_an_assertion_beside_around_or_inside_a_signed_one_is_not_seen(attack: Callable[[], Element]) -> None:
    """Refused; never mallory, and not alice either: somebody has been at this document."""
    assert judged(attack()) == SIGNED


def test_a_signed_response_does_not_vouch_for_what_was_added() -> None:
    """An assertion that came into it afterwards breaks its signature."""
    response = good("response")
    response.append(evil(assertion_of(response)))
    assert judged(response) == SIGNED

    response = good("response")
    response.replace(assertion_of(response), evil(assertion_of(response)))
    assert judged(response) == SIGNED


def test_a_signed_response_has_its_assertion_where_it_belongs() -> None:
    """In Extensions it would be somebody else's business, whoever has signed."""
    response = CORP.response(NOW)
    etree.SubElement(response, f"{{{NAMESPACES['samlp']}}}Extensions").append(good_assertion())

    assert judged(CORP.sign(response)) == SIGNED


def test_both_signatures_have_to_be_good() -> None:
    """A good one of the assertion does not make up for a bad one of the response, nor the other way round."""
    response = good("both")
    response.set("Destination", "https://eu-west-1.signin.aws.amazon.com/saml")
    assert judged(response) == SIGNED

    changed = evil(good_assertion(), "_a1")
    broken = CORP.sign(good_assertion())
    broken.find("saml:Subject/saml:NameID", NAMESPACES).text = "mallory"
    assert judged(CORP.sign(CORP.response(NOW, broken))) == SIGNED
    assert judged(CORP.sign(CORP.response(NOW, CORP.sign(changed)))) == "= mallory"  # the provider's own word


# --- signatures that are none ----------------------------------------------------------------------------------


def test_without_a_signature_nothing_is_believed() -> None:
    """Neither an unsigned response nor one whose signature was taken out."""
    response = good()
    assertion = assertion_of(response)
    assertion.remove(signature_of(assertion))

    assert judged(response) == SIGNED
    assert judged(CORP.response(NOW, good_assertion())) == SIGNED
    assert judged(CORP.response(NOW)) == SIGNED


def test_another_key_is_refused() -> None:
    """Of somebody who calls himself the same, with his certificate in the document."""
    forger = IdentityProvider(key=generate_private_key(65537, 2048))
    assertion = forger.assertion(NOW, asked())

    assert judged(forger.response(NOW, forger.sign(assertion))) == SIGNED
    theirs = KNOWN._replace(metadata=forger.metadata())
    assert judged(forger.response(NOW, forger.sign(assertion)), theirs) == "= alice"


def test_a_certificate_that_is_over_signs_nothing() -> None:
    """By the sandbox's clock: it is good again when that is put back."""
    old = IdentityProvider(days=10)
    known = KNOWN._replace(metadata=old.metadata())

    for now, verdict in ((NOW, SIGNED), (NOW - 25 * 86_400, "= alice"), (NOW - 40 * 86_400, SIGNED)):
        assert judged(old.response(now, old.sign(old.assertion(now, asked()))), known, now) == verdict


def test_another_issuer_is_told() -> None:
    """In the response or in the assertion, whoever has signed."""
    other = IdentityProvider("https://other.example.com")
    told = "Issuer not present in specified provider"

    assert judged(other.response(NOW, other.sign(other.assertion(NOW, asked())))) == told
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(issuer=other.entity_id)))) == told
    assert judged(other.response(NOW, CORP.sign(good_assertion()))) == told
    nobodys = good_assertion()
    nobodys.remove(nobodys.find("saml:Issuer", NAMESPACES))
    assert judged(CORP.response(NOW, CORP.sign(nobodys))) == told


@pytest.mark.parametrize(
    ("method", "digest"),
    [(SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256), (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1)],
)
def test_sha_1_is_not_believed(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    """Neither as the signature's nor as the digest's; the same with SHA-256 is good."""
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), method=method, digest=digest))) == SIGNED


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512),
        (SignatureMethod.RSA_SHA384, DigestAlgorithm.SHA384),
        (SignatureMethod.SHA256_RSA_MGF1, DigestAlgorithm.SHA256),
    ],
)
def test_sha_2_is_believed(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    """In its lengths, and with probabilistic padding."""
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), method=method, digest=digest))) == "= alice"


def test_a_password_signs_nothing() -> None:
    """HMAC keyed by what everybody knows: the provider's certificate."""
    response = good()
    signature_of(assertion_of(response)).find(".//ds:SignatureMethod", NAMESPACES).set(
        "Algorithm", SignatureMethod.HMAC_SHA256.value
    )

    assert judged(response) == SIGNED


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        (".//ds:Reference", "URI", ""),
        (".//ds:Reference", "URI", "#_r1"),
        (".//ds:Reference", "URI", "#xpointer(/)"),
        (".//ds:Reference", "URI", "https://evil.example/assertion.xml"),
        (".//ds:Reference", "URI", "file:///etc/passwd"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        (".//ds:Transform", "Algorithm", "http://www.w3.org/2000/09/xmldsig#base64"),
        (".//ds:DigestMethod", "Algorithm", "none"),
        (".//ds:SignatureMethod", "Algorithm", ""),
        (".//ds:CanonicalizationMethod", "Algorithm", "none"),
    ],
)
def test_a_signature_says_what_samls_signatures_say(path: str, attribute: str, value: str) -> None:
    """A reference to its parent and two known transforms; nothing is fetched, read or run."""
    response = good()
    signature_of(assertion_of(response)).find(path, NAMESPACES).set(attribute, value)

    assert judged(response) == SIGNED


@pytest.mark.parametrize("c14n", [CanonicalizationMethod.CANONICAL_XML_1_0, CanonicalizationMethod.CANONICAL_XML_1_1])
def test_inclusive_canonical_forms_are_not_samls(c14n: CanonicalizationMethod) -> None:
    """SAML V2.0 Core, 5.4.4 has the exclusive ones only: a signature must not depend on what stands around."""
    response = CORP.response(NOW, good_assertion())

    assert judged(CORP.sign(response, c14n=c14n)) == SIGNED
    assert judged(CORP.sign(response)) == "= alice"


def test_a_signature_of_the_whole_document_is_not_samls() -> None:
    """SAML V2.0 Core, 5.4.2: the reference names the element, for a document can be put into another."""
    response = CORP.sign(CORP.response(NOW, good_assertion()), is_of_whole_document=True)

    assert signature_of(response).find(".//ds:Reference", NAMESPACES).get("URI") == ""
    assert judged(response) == SIGNED


def test_an_id_is_one_elements() -> None:
    """In whatever letters it is written, and wherever."""
    response = good()
    response.find("samlp:Status/samlp:StatusCode", NAMESPACES).set("Id", "_b1")
    assert judged(response) == "= alice"

    response.find("samlp:Status/samlp:StatusCode", NAMESPACES).set("Id", "_a1")
    assert judged(response) == SIGNED


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue", "X509Certificate"])
@pytest.mark.parametrize("text", ["", "AAAA", "%%%", None])
def test_what_belongs_to_a_signature_is_there(name: str, text: str | None) -> None:
    """Value and digest have to be; the certificate in the document is not even looked at."""
    response = good()
    signature_of(assertion_of(response)).find(f".//ds:{name}", NAMESPACES).text = text

    assert judged(response) == ("= alice" if name == "X509Certificate" else SIGNED)


@pytest.mark.parametrize("name", ["SignedInfo", "SignatureValue", "Reference", "DigestValue", "SignatureMethod"])
def test_a_signature_without_a_part_is_none(name: str) -> None:
    """Whatever is missing."""
    response = good()
    part = signature_of(assertion_of(response)).find(f".//ds:{name}", NAMESPACES)
    part = signature_of(assertion_of(response)).find(f"ds:{name}", NAMESPACES) if part is None else part
    part.getparent().remove(part)

    assert judged(response) == SIGNED


# --- texts that mean two things --------------------------------------------------------------------------------


def test_a_comment_in_a_name_cuts_nothing_off() -> None:
    """`mallory@evil.example<!---->.example.com`: the whole text is the subject, as the provider meant it."""
    name = f'<saml:NameID Format="{PERSISTENT}">alice@corp.example<!---->.evil.example</saml:NameID>'
    response = CORP.response(NOW, CORP.sign(good_assertion(name_id=name)))
    assert judged(response) == "= alice@corp.example.evil.example"

    plain = CORP.response(NOW, CORP.sign(good_assertion(subject="alice@corp.example.evil.example")))
    node = assertion_of(plain).find("saml:Subject/saml:NameID", NAMESPACES)
    node.text = "alice@corp.example"
    node.append(etree.Comment(""))
    node[0].tail = ".evil.example"
    assert judged(plain) == "= alice@corp.example.evil.example"


def test_a_comment_that_is_signed_along_makes_a_name_unreadable() -> None:
    """With the canonical form that keeps comments there would be two texts: refused."""
    name = f'<saml:NameID Format="{PERSISTENT}">alice<!---->.evil.example</saml:NameID>'
    c14n = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS

    assert judged(CORP.response(NOW, CORP.sign(good_assertion(name_id=name), c14n=c14n))) == (
        "Not authorized to perform sts:AssumeRoleWithSAML"
    )
    assert judged(CORP.response(NOW, CORP.sign(good_assertion(), c14n=c14n))) == "= alice"


@pytest.mark.parametrize("inside", ["<?x?>", "<saml:x/>", "<!---->"])
def test_a_role_with_something_inside_its_name_is_none(inside: str) -> None:
    """An element or instruction between the letters is not passed over."""
    assertion = good_assertion()
    text = etree.tostring(assertion).decode().replace(f"{DEPLOY},", f"{DEPLOY[:-3]}{inside}{DEPLOY[-3:]},")

    verdict = judged(CORP.response(NOW, CORP.sign(etree.fromstring(text))))

    told = "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
    assert verdict == ("= alice" if inside == "<!---->" else told)


# --- XML that does things --------------------------------------------------------------------------------------


BOMB = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
    f"<!ENTITY {b} '{f'&{a};' * 10}'>".encode() for a, b in pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    "head",
    [
        BOMB + b"]>",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        b"<!DOCTYPE x>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
    ],
)
@pytest.mark.parametrize("subject", ["alice", "&e;", "&j;"])
def test_a_document_type_is_refused(head: bytes, subject: str) -> None:
    """Bombs of entities, files and addresses to be read: within a moment, and nothing is read."""
    document = etree.tostring(good()).replace(b">alice<", f">{subject}<".encode())
    began = time.process_time()

    assert judged(head + document) == UNREADABLE
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<",
        b"<a>",
        b"<a/>",
        b"\0\0\0\0",
        b"\xff\xfe<\0a\0/\0>\0",
        b"<a>" * 20_000,
        b"<a b='" + b"c" * 70_000,
        b"<?xml version='1.0' encoding='utf-16'?><a/>",
        b"<?xml version='1.0' encoding='latin-1'?><a>\xe9</a>",
        f'<saml:Assertion xmlns:saml="{NAMESPACES["saml"]}"/>'.encode(),
        b"<Response/>",
        b"<a>&undefined;</a>",
        b"<a xmlns:x='http://www.w3.org/2001/XInclude'><x:include href='file:///etc/passwd'/></a>",
    ],
)
def test_what_is_no_response_is_said_to_be_none(document: bytes) -> None:
    """Garbage, other encodings, depth, other documents; a bare assertion is no response either."""
    assert judged(document) == UNREADABLE


@pytest.mark.parametrize("text", ["A", "AAA", "*" * 8, "é" * 8, "PHg+", "AAAA=", "====", "\0" * 4])
def test_what_is_no_base64_is_said_to_be_none(text: str) -> None:
    """Truncated, or of other letters."""
    assert judged(text) in {"Invalid base64 SAMLResponse", UNREADABLE}
    assert judged(base64.b64encode(etree.tostring(good())).decode()[:-1] + "*") == "Invalid base64 SAMLResponse"


def test_an_encrypted_assertion_is_refused_and_told_why() -> None:
    """AWS can decrypt them, the sandbox can't."""
    response = good()
    etree.SubElement(response, f"{{{NAMESPACES['saml']}}}EncryptedAssertion")

    assert "does not decrypt assertions" in judged(response)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_response_with_other_bytes_proves_nothing_else(data: st.DataObject) -> None:
    """A few bytes anywhere changed, dropped or put in: refused, or the very same proof."""
    document = bytearray(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))

    verdict = judged(bytes(document))

    assert verdict == "= alice" or not verdict.startswith("= ")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_response_with_other_elements_proves_nothing_else(data: st.DataObject) -> None:
    """Elements moved, copied, dropped or renamed anywhere: refused, or the very same proof."""
    response = good(data.draw(st.sampled_from(["assertion", "response", "both"])))
    for _ in range(data.draw(st.integers(1, 3))):
        elements = list(response.iter())
        one, other = data.draw(st.sampled_from(elements)), data.draw(st.sampled_from(elements))
        change = data.draw(st.sampled_from(["copy", "move", "drop", "text"]))
        if change == "copy":
            other.append(deepcopy(one))
        elif change == "text":
            one.text = data.draw(st.sampled_from(["mallory", "", None]))
        elif one.getparent() is not None and one not in other.iterancestors() and one is not other:
            one.getparent().remove(one)
            if change == "move":
                other.append(one)

    verdict = judged(response)

    assert verdict == "= alice" or not verdict.startswith("= ")


DOCUMENT = etree.tostring(good())


# --- metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("<md:Entity", "<!DOCTYPE x><md:Entity", "the SAML document has a DOCTYPE"),
        ('entityID="https://idp.example.com/saml"', "", "it has no entityID"),
        ("IDPSSODescriptor", "SPSSODescriptor", "it has no IDPSSODescriptor for SAML 2.0"),
        (NAMESPACES["samlp"], "urn:oasis:names:tc:SAML:1.1:protocol", "it has no IDPSSODescriptor for SAML 2.0"),
        ('use="signing"', 'use="encryption"', "it has 0 signing certificates, and 1 to 10 are read"),
        (CORP.certificate, "AAAA", "a certificate in it can't be read"),
        (CORP.certificate, "%%%%", "a certificate in it can't be read"),
    ],
)
def test_metadata_that_can_not_be_used_is_told_why(old: str, new: str, why: str) -> None:
    """It makes no provider of a seed, and a response for it is refused."""
    document = CORP.metadata().replace(old, new)
    with pytest.raises(ValueError, match=why):
        read_metadata(document)

    told = judged(good(), KNOWN._replace(metadata=document))
    assert told == f"The metadata of {PROVIDER} can't be read: {why}"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_metadata_of_any_kind_is_answered(data: st.DataObject) -> None:
    """Read, or refused with a reason; anything else that is raised fails the test."""
    document = CORP.metadata()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document = document[:place] + data.draw(st.text(max_size=6)) + document[place + data.draw(st.integers(0, 40)) :]

    with suppress(ValueError):
        assert read_metadata(document).certificates


def test_a_short_key_is_refused() -> None:
    """IAM wants 1,024 bits at least."""
    with pytest.raises(ValueError, match="a key in it has fewer than 1024 bits"):
        read_metadata(CORP.metadata(SHORT))
