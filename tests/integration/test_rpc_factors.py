"""Enrolling authenticators, and challenges and their answers, as people's apps see them."""

import asyncio
import re
import shutil
from typing import Any

import grpc
import pytest

from danbao.v1 import verification_pb2
from danbao_core.rpc.services.passwords import looks_enrolled
from tests import paying_world
from tests.factors import (
    SMS,
    TOTP,
    App,
    an_answer,
    approved_by_sms,
    approved_by_totp,
    confirm_totp,
    enrol,
    enrolled,
    messages,
    recovery_codes,
    remove,
    sms_code,
    to_change_factors,
    to_pay,
    token_of_now,
    unpaid,
    wrong,
)
from tests.paying_world import CLOCK
from tests.people import PersonCaller, a_person, a_phone, a_stranger, another_session, keyring_of
from tests.rpc_client import Core, a_merchant, audit_holds, nothing_changes
from tests.rpc_requests import UNKNOWN, a_request_id, advance_clock, changed, log_in, register, start_reset

Factor, Challenge = verification_pb2.Factor, verification_pb2.Challenge
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
NOT_FOUND = grpc.StatusCode.NOT_FOUND

core, a_new_day = paying_world.core, paying_world.a_new_day  # what is counted by day is counted on one


@pytest.fixture
async def ada(core: Core) -> PersonCaller:
    return await a_person(core, funds_minor=100_000)


@pytest.fixture
async def app(ada: PersonCaller) -> App:
    return await enrolled(ada, CLOCK)


async def listed(person: PersonCaller) -> list[tuple[Any, Any, str]]:
    factors = (await person.ask(verification_pb2.ListFactorsRequest())).factors
    return [(each.kind, each.state, each.label) for each in factors]


# --- Enrolling --------------------------------------------------------------------------------------------------------------


async def test_an_authenticator_works_once_it_has_shown_a_code(core: Core, ada: PersonCaller) -> None:
    made = await ada.ask(enrol(label="red phone"))
    assert made.factor.state == Factor.STATE_PENDING
    assert f"secret={made.secret}&issuer=Danbao" in made.otpauth_uri
    assert re.match(r'<svg .*xmlns="http://www.w3.org/2000/svg"', made.qr_svg)
    app = App(made.factor.name, made.secret, CLOCK)
    assert (await ada.refused(to_change_factors())).reason == "FACTOR_MISSING"
    active = await ada.ask(confirm_totp(app.factor, app.code()))
    assert active.state == Factor.STATE_ACTIVE
    assert await listed(ada) == [
        (Factor.KIND_SMS, Factor.STATE_ACTIVE, f"{ada.phone[3:6]}****{ada.phone[-4:]}"),
        (Factor.KIND_TOTP, Factor.STATE_ACTIVE, "red phone"),
    ]
    assert await messages(core, ada) == ["factor_added"]
    again = await ada.refused(confirm_totp(app.factor, app.next_code()))
    assert (again.code, again.reason) == (PRECONDITION, "FACTOR_NOT_PENDING")


async def test_a_secret_is_shown_once_and_stored_sealed(core: Core, ada: PersonCaller) -> None:
    request = enrol()
    made = await ada.ask(request)
    assert (await ada.refused(request)).reason == "SECRET_ALREADY_SHOWN"
    for table in ("factor", "request"):
        stored = await core.connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert made.secret not in stored
        assert made.secret.encode().hex() not in stored


async def test_wrong_codes_lock_the_confirming_of_an_authenticator(ada: PersonCaller) -> None:
    made = await ada.ask(enrol())
    app = App(made.factor.name, made.secret, CLOCK)
    for _ in range(10):
        assert (await ada.refused(confirm_totp(app.factor, wrong(app.code())))).reason == "CODE_WRONG"
    locked = await ada.refused(confirm_totp(app.factor, app.code()))
    assert locked.reason == "FACTOR_LOCKED"
    assert "unlock_time" in locked.metadata


async def test_a_factor_of_another_is_not_found(core: Core, ada: PersonCaller, app: App) -> None:
    bob = await a_person(core)
    assert (await bob.refused(confirm_totp(app.factor, app.next_code()))).code is NOT_FOUND
    approval = await approved_by_sms(core, bob, to_change_factors())
    assert (await bob.refused(remove(app.factor, approval))).reason == "FACTOR_NOT_FOUND"


async def test_another_authenticator_takes_the_place_of_the_first_which_approves_it(
    core: Core, ada: PersonCaller, app: App
) -> None:
    needed = await ada.refused(enrol())
    assert (needed.reason, needed.metadata) == ("APPROVAL_REQUIRED", {"factors": "TOTP"})
    by_phone = await approved_by_sms(core, ada, to_change_factors())
    assert (await ada.refused(enrol(by_phone))).metadata == {"factors": "TOTP"}
    made = await ada.ask(enrol(await approved_by_totp(ada, to_change_factors(), app)))
    other = App(made.factor.name, made.secret, CLOCK)
    await ada.ask(confirm_totp(other.factor, other.code()))
    assert [kind for kind, _, _ in await listed(ada)] == [Factor.KIND_SMS, Factor.KIND_TOTP]
    challenge = await ada.ask(to_change_factors())
    assert (await ada.refused(an_answer(challenge, app.next_code()))).reason == "CODE_WRONG"
    await ada.ask(an_answer(challenge, other.code()))


async def test_what_was_enrolled_before_an_authenticator_was_in_force_does_not_take_its_place(
    core: Core, ada: PersonCaller
) -> None:
    thief = await another_session(core, ada, "device-of-a-thief")
    made = await thief.ask(enrol())
    app, theirs = await enrolled(ada, CLOCK), App(made.factor.name, made.secret, CLOCK)
    refused = await thief.refused(confirm_totp(theirs.factor, theirs.next_code()))
    assert (refused.reason, refused.metadata) == ("APPROVAL_REQUIRED", {"factors": "TOTP"})
    await approved_by_totp(ada, to_change_factors(), app)


async def test_a_removed_authenticator_answers_nothing(core: Core, ada: PersonCaller, app: App) -> None:
    open_one = await ada.ask(to_change_factors())
    approval = await approved_by_totp(ada, to_change_factors(), app)
    assert (await ada.ask(remove(app.factor, approval))).state == Factor.STATE_REMOVED
    assert (await ada.refused(an_answer(open_one, app.next_code()))).reason == "CODE_WRONG"
    assert (await ada.refused(to_change_factors())).reason == "FACTOR_MISSING"
    assert await listed(ada) == [(Factor.KIND_SMS, Factor.STATE_ACTIVE, f"{ada.phone[3:6]}****{ada.phone[-4:]}")]
    assert (await messages(core, ada))[-1] == "factor_removed"
    assert await core.connection.fetchval("SELECT secret FROM factor WHERE id = $1::text::uuid", app.factor[8:]) is None
    assert (await ada.refused(remove(app.factor, approval))).reason == "FACTOR_NOT_FOUND"


# --- Recovery codes ---------------------------------------------------------------------------------------------------------


async def test_a_recovery_code_stands_in_for_the_authenticator_once(core: Core, ada: PersonCaller, app: App) -> None:
    request = recovery_codes(await approved_by_totp(ada, to_change_factors(), app))
    codes = (await ada.ask(request)).codes
    assert len(set(codes)) == 10
    assert (await ada.refused(request)).reason == "SECRET_ALREADY_SHOWN"
    approval = await ada.ask(an_answer(await ada.ask(to_change_factors()), codes[3].lower()))
    assert approval.factor == Factor.KIND_RECOVERY_CODE
    again = await ada.ask(to_change_factors())
    assert (await ada.refused(an_answer(again, codes[3]))).reason == "CODE_WRONG"
    assert (Factor.KIND_RECOVERY_CODE, Factor.STATE_ACTIVE, "9") in await listed(ada)
    new = (await ada.ask(recovery_codes(approval.name))).codes
    assert (await ada.refused(an_answer(again, codes[4]))).reason == "CODE_WRONG"
    assert (await ada.ask(an_answer(again, new[0].replace("-", "")))).factor == Factor.KIND_RECOVERY_CODE
    assert (await messages(core, ada))[-1] == "recovery_codes_made"


async def test_recovery_codes_need_the_authenticator(core: Core, ada: PersonCaller) -> None:
    by_phone = await approved_by_sms(core, ada, to_change_factors())
    assert (await ada.refused(recovery_codes(by_phone))).reason == "FACTOR_MISSING"
    await enrolled(ada, CLOCK)
    assert (await ada.refused(recovery_codes(by_phone))).metadata == {"factors": "TOTP"}


# --- TOTP -------------------------------------------------------------------------------------------------------------------


async def test_a_replayed_code_is_wrong(ada: PersonCaller, app: App) -> None:
    code = app.next_code()
    first, second = await ada.ask(to_change_factors()), await ada.ask(to_change_factors())
    await ada.ask(an_answer(first, code))
    refused = await ada.refused(an_answer(second, code))
    assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "CODE_WRONG", {"attempts_left": "4"})


async def test_the_code_that_confirmed_an_authenticator_is_used(ada: PersonCaller) -> None:
    made = await ada.ask(enrol())
    app = App(made.factor.name, made.secret, CLOCK)
    await ada.ask(confirm_totp(app.factor, app.code()))
    assert (await ada.refused(an_answer(await ada.ask(to_change_factors()), app.code()))).reason == "CODE_WRONG"


async def test_codes_of_the_step_before_and_after_are_right_and_no_others(ada: PersonCaller, app: App) -> None:
    CLOCK.pass_seconds(120)
    challenge = await ada.ask(to_change_factors())
    assert (await ada.refused(an_answer(challenge, app.code(-2)))).reason == "CODE_WRONG"
    assert (await ada.refused(an_answer(challenge, app.code(2)))).reason == "CODE_WRONG"
    await ada.ask(an_answer(challenge, app.code(-1)))
    await ada.ask(an_answer(await ada.ask(to_change_factors()), app.code(1)))
    passed_over = await ada.ask(to_change_factors())
    assert (await ada.refused(an_answer(passed_over, app.code()))).reason == "CODE_WRONG"


async def test_a_clock_that_is_moved_back_accepts_nothing_old(core: Core, ada: PersonCaller, app: App) -> None:
    await approved_by_totp(ada, to_change_factors(), app)
    challenge = await ada.ask(to_change_factors())
    CLOCK.pass_seconds(-3600)
    earlier = await token_of_now(core, ada, CLOCK)
    for steps in (-1, 0, 1):
        assert (await earlier.refused(an_answer(challenge, app.code(steps)))).reason == "CODE_WRONG"
    CLOCK.pass_seconds(3600)
    await ada.ask(an_answer(challenge, app.next_code()))


@pytest.mark.skipif(shutil.which("oathtool") is None, reason="oathtool is not installed (Debian package oathtool)")
async def test_the_core_accepts_codes_of_oathtool(ada: PersonCaller) -> None:
    made = await ada.ask(enrol())

    async def code() -> str:
        CLOCK.pass_seconds(30)
        arguments = ("--totp", "--base32", f"--now={CLOCK():%Y-%m-%d %H:%M:%S} UTC", made.secret)
        process = await asyncio.create_subprocess_exec("oathtool", *arguments, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        return said.decode().strip()

    await ada.ask(confirm_totp(made.factor.name, await code()))
    assert (await ada.ask(an_answer(await ada.ask(to_change_factors()), await code()))).factor == TOTP


# --- SMS --------------------------------------------------------------------------------------------------------------------


async def test_a_code_by_sms_answers_its_challenge_once(core: Core, ada: PersonCaller) -> None:
    challenge = await ada.ask(to_change_factors(SMS))
    assert (challenge.purpose, challenge.factor) == (Challenge.PURPOSE_CHANGE_FACTORS, Factor.KIND_SMS)
    assert challenge.attempts_left == 5
    code = await sms_code(core, ada)
    request = an_answer(challenge, code)
    approval = await ada.ask(request)
    assert (approval.purpose, approval.factor) == (Challenge.PURPOSE_CHANGE_FACTORS, Factor.KIND_SMS)
    assert (await ada.answer(request)) == (approval, True)
    assert (await ada.refused(an_answer(challenge, code))).reason == "CODE_EXPIRED"


async def test_the_sixth_guess_is_too_late_even_where_it_is_right(core: Core, ada: PersonCaller) -> None:
    challenge = await ada.ask(to_change_factors(SMS))
    code = await sms_code(core, ada)
    for left in (4, 3, 2, 1, 0):
        assert (await ada.refused(an_answer(challenge, wrong(code)))).metadata == {"attempts_left": str(left)}
    assert (await ada.refused(an_answer(challenge, code))).reason == "CODE_EXPIRED"


async def test_a_repeated_guess_counts_once(core: Core, ada: PersonCaller) -> None:
    challenge = await ada.ask(to_change_factors(SMS))
    code = await sms_code(core, ada)
    request = an_answer(challenge, wrong(code))
    for _ in range(3):
        assert (await ada.refused(request)).metadata == {"attempts_left": "4"}
    assert (await ada.refused(changed(request, code=wrong(wrong(code))))).metadata == {"attempts_left": "3"}
    await ada.ask(changed(request, code=code))


async def test_strangers_who_guess_codes_do_not_lock_a_known_device_out(core: Core, ada: PersonCaller, app: App) -> None:
    stranger = a_stranger(core)
    for _ in range(2):
        await core.operator.ask(advance_clock(61))
        challenge = await stranger.ask(register(ada.phone))
        for _ in range(5):
            assert (await stranger.refused(an_answer(challenge, "000000"))).reason == "CODE_WRONG"
    await core.operator.ask(advance_clock(61))
    assert (await stranger.refused(register(ada.phone))).reason == "FACTOR_LOCKED"
    assert (await stranger.refused(log_in(ada.phone, device_id="a-strangers-device"))).reason == "FACTOR_LOCKED"
    login = await stranger.ask(log_in(ada.phone, device_id=ada.device_id))
    await stranger.ask(an_answer(login.challenge, app.next_code()))


async def test_guesses_at_logins_on_a_known_device_lock_those(core: Core, ada: PersonCaller, app: App) -> None:
    stranger, request = a_stranger(core), log_in(ada.phone, device_id=ada.device_id)
    for _ in range(2):
        login = await stranger.ask(changed(request, request_id=a_request_id()))
        for _ in range(5):
            assert (await stranger.refused(an_answer(login.challenge, "000000"))).reason == "CODE_WRONG"
    assert (await stranger.refused(changed(request, request_id=a_request_id()))).reason == "FACTOR_LOCKED"


async def test_a_code_is_good_for_five_minutes(core: Core, ada: PersonCaller) -> None:
    challenge = await ada.ask(to_change_factors(SMS))
    code = await sms_code(core, ada)
    await core.operator.ask(advance_clock(300))
    assert (await ada.refused(an_answer(challenge, code))).reason == "CODE_EXPIRED"


async def test_a_newer_code_replaces_the_one_before(core: Core, ada: PersonCaller) -> None:
    older = await ada.ask(to_change_factors(SMS))
    code = await sms_code(core, ada)
    await core.operator.ask(advance_clock(61))
    newer = await ada.ask(to_change_factors(SMS))
    assert (await ada.refused(an_answer(older, code))).reason == "CODE_EXPIRED"
    await ada.ask(an_answer(newer, await sms_code(core, ada)))


async def test_a_repeated_guess_is_no_guess_at_later_codes(ada: PersonCaller, app: App) -> None:
    CLOCK.pass_seconds(30)
    challenge = await ada.ask(to_change_factors())
    guess = an_answer(challenge, app.code(3))
    assert (await ada.refused(guess)).metadata == {"attempts_left": "4"}
    CLOCK.pass_seconds(3 * 30)
    assert (await ada.refused(guess)).metadata == {"attempts_left": "4"}
    await ada.ask(an_answer(challenge, app.code()))


async def test_codes_are_sent_once_a_minute_and_ten_times_a_day(core: Core, ada: PersonCaller) -> None:
    await core.operator.ask(advance_clock(86_400))  # so that the day is not about to end
    await ada.ask(to_change_factors(SMS))
    soon = await ada.refused(to_change_factors(SMS))
    assert (soon.code, soon.reason) == (PRECONDITION, "TOO_MANY_CODES")
    assert "possible_from" in soon.metadata
    for _ in range(9):
        await core.operator.ask(advance_clock(60))
        await ada.ask(to_change_factors(SMS))
    await core.operator.ask(advance_clock(60))
    assert (await ada.refused(to_change_factors(SMS))).reason == "TOO_MANY_CODES"
    assert (await messages(core, ada)).count("code") == 10
    await core.operator.ask(advance_clock(86_400))
    await ada.ask(to_change_factors(SMS))


async def test_other_devices_neither_use_up_nor_replace_the_codes_of_a_known_one(core: Core, ada: PersonCaller) -> None:
    elsewhere = await another_session(core, ada, "a-device-that-nobody-knows")
    mine = await ada.ask(to_change_factors(SMS))
    code = await sms_code(core, ada)
    theirs = await elsewhere.ask(to_change_factors(SMS))
    assert (await elsewhere.refused(to_change_factors(SMS))).reason == "TOO_MANY_CODES"
    await ada.ask(an_answer(mine, code))
    await elsewhere.ask(an_answer(theirs, await sms_code(core, ada)))


async def test_the_code_of_another_challenge_is_wrong(core: Core, ada: PersonCaller) -> None:
    bob = await a_person(core)
    hers, his = await ada.ask(to_change_factors(SMS)), await bob.ask(to_change_factors(SMS))
    code = await sms_code(core, bob)
    if code != await sms_code(core, ada):
        assert (await ada.refused(an_answer(hers, code))).reason == "CODE_WRONG"
    await bob.ask(an_answer(his, code))


# --- Whose challenge it is, and locks over all of them ----------------------------------------------------------------------


async def test_a_challenge_is_answered_in_its_own_session(core: Core, ada: PersonCaller, app: App) -> None:
    bob, elsewhere = await a_person(core), await another_session(core, ada)
    challenge = await ada.ask(to_change_factors())
    code = app.next_code()
    for other in (bob, elsewhere, core.operator, ada.with_token(None)):
        refused = await other.refused(an_answer(challenge, code))
        assert (refused.code, refused.reason) == (NOT_FOUND, "CHALLENGE_NOT_FOUND")
    await ada.ask(an_answer(challenge, code))
    nobodys = changed(an_answer(challenge, code), name=f"challenges/{UNKNOWN}")
    assert (await ada.refused(nobodys)).reason == "CHALLENGE_NOT_FOUND"


async def test_ten_wrong_codes_lock_over_all_challenges_for_three_hours(core: Core, ada: PersonCaller, app: App) -> None:
    by_phone = await ada.ask(to_change_factors(SMS))
    first, second = await ada.ask(to_change_factors()), await ada.ask(to_change_factors())
    for challenge in [by_phone] * 3 + [first] * 3 + [second] * 4:
        guess = wrong(app.next_code()) if challenge is not by_phone else wrong(await sms_code(core, ada))
        assert (await ada.refused(an_answer(challenge, guess))).reason == "CODE_WRONG"
    right = await ada.refused(an_answer(first, app.next_code()))
    assert (right.code, right.reason) == (PRECONDITION, "FACTOR_LOCKED")
    assert (await ada.refused(to_change_factors())).reason == "FACTOR_LOCKED"
    assert (await ada.refused(to_change_factors(SMS))).reason == "FACTOR_LOCKED"
    await core.operator.ask(advance_clock(3 * 3600))
    await approved_by_totp(ada, to_change_factors(), app)


async def test_a_right_code_does_not_make_wrong_ones_forgotten(core: Core, ada: PersonCaller, app: App) -> None:
    await core.operator.ask(advance_clock(86_400))
    for _ in range(3):
        challenge = await ada.ask(to_change_factors())
        for _ in range(3):
            await ada.refused(an_answer(challenge, wrong(app.code(1))))
        await ada.ask(an_answer(challenge, app.next_code()))
    last = await ada.ask(to_change_factors())
    assert (await ada.refused(an_answer(last, wrong(app.code(1))))).reason == "CODE_WRONG"
    assert (await ada.refused(an_answer(last, app.next_code()))).reason == "FACTOR_LOCKED"


async def test_a_challenge_for_nobody_answers_like_one_for_somebody(core: Core, ada: PersonCaller) -> None:
    stranger, keyring = ada.with_token(None), keyring_of(core)
    nobodys = next(phone for phone in (a_phone() for _ in range(1_000)) if not looks_enrolled(keyring, phone))
    outcomes = []
    for phone in (ada.phone, nobodys):
        found: list[Any] = []
        for _ in range(2):
            await core.operator.ask(advance_clock(61))
            challenge = await stranger.ask(start_reset(phone))
            found.append((challenge.purpose, challenge.factor, challenge.attempts_left))
            assert (await stranger.refused(start_reset(phone))).reason == "TOO_MANY_CODES"
            for guess in range(6):
                code = f"{guess:06}" if phone != ada.phone else wrong(await sms_code(core, ada))
                refused = await stranger.refused(an_answer(challenge, code))
                found.append((refused.reason, refused.metadata.get("attempts_left")))
        found.append((await stranger.refused(start_reset(phone))).reason)
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][-2:] == [("FACTOR_LOCKED", None), "FACTOR_LOCKED"]
    await ada.ask(to_change_factors(SMS))  # whom strangers do not lock


async def test_repeats_are_answered_like_the_first_call_and_change_nothing(core: Core, ada: PersonCaller) -> None:
    made = await ada.ask(enrol())
    app = App(made.factor.name, made.secret, CLOCK)

    async def repeated(request: Any) -> Any:
        first = await ada.answer(request)
        assert not first.replayed
        async with nothing_changes(core):
            assert await ada.answer(request) == (first.message, True)
        return first.message

    await repeated(confirm_totp(app.factor, app.next_code()))
    await repeated(to_change_factors(SMS))
    challenge = await repeated(to_change_factors())
    approval = await repeated(an_answer(challenge, app.next_code()))
    await repeated(remove(app.factor, approval.name))


async def test_only_people_have_factors(core: Core) -> None:
    requests = [enrol(), verification_pb2.ListFactorsRequest(), to_change_factors()]
    for request in requests:
        assert (await core.operator.refused(request)).reason == "SCOPE_MISSING"


async def test_a_number_that_is_changed_to_is_shown_by_its_code(core: Core, ada: PersonCaller, app: App) -> None:
    purpose = verification_pb2.CreateChallengeRequest.ChangePhonePurpose(phone="+8613912345678")
    ask = verification_pb2.CreateChallengeRequest(request_id=a_request_id(), change_phone=purpose, factor=TOTP)
    assert (await ada.refused(ask)).violations == {"factor": "FIELD_INVALID"}
    challenge = await ada.ask(changed(ask, factor=SMS))
    assert challenge.purpose == Challenge.PURPOSE_CHANGE_PHONE
    elsewhere = verification_pb2.CreateChallengeRequest.ChangePhonePurpose(phone="+8613912345679")
    other_number = changed(ask, request_id=a_request_id(), change_phone=elsewhere, factor=SMS)
    assert (await ada.refused(other_number)).reason == "TOO_MANY_CODES"  # no device floods number after number
    bob = await a_person(core)
    same_number = changed(ask, request_id=a_request_id(), factor=SMS)
    assert (await bob.refused(same_number)).reason == "TOO_MANY_CODES"  # nor do many devices one number


async def test_a_challenge_says_what_it_approves(core: Core, ada: PersonCaller, app: App) -> None:
    payment = await unpaid(ada, await a_merchant(core), 1_200)
    challenge = await ada.ask(to_pay(payment))
    assert (challenge.subject, challenge.amount) == (payment.name, payment.amount)
    bob = await a_person(core)
    assert (await bob.refused(to_pay(payment, SMS))).reason == "PAYMENT_NOT_FOUND"
    assert await audit_holds(core)
