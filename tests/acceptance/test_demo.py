"""`danbao demo`: tells its story on a running core, or on a sandbox of its own."""

from pathlib import Path

from tests.acceptance.sandbox import Sandbox, danbao
from tests.integration.sandboxes import a_folder


async def test_the_money_adds_up_after_every_step(sandbox: Sandbox) -> None:
    for _ in range(2):
        told = await sandbox.danbao("demo")
        assert told.code == 0, told.err
        steps = told.answer["steps"]
        assert [step["total_minor"] for step in steps] == [0] + [50_000] * 7
        assert steps[3]["money_minor"] == {"buyer": 37_200, "seller": 0, "escrow": 12_800, "fees": 0}
        assert steps[5]["money_minor"] == {"buyer": 37_200, "seller": 12_608, "escrow": 0, "fees": 192}
        assert steps[7]["money_minor"] == steps[5]["money_minor"], "a cancelled payment leaves no trace in the money"
        journey = told.answer["journey"]
        assert [step["total_minor"] for step in journey] == [0, 0] + [500_000] * 5
        assert journey[4]["step"].endswith("the payment password alone is refused, SMS or TOTP would do"), journey[4]
        assert journey[4]["money_minor"] == {"buyer": 500_000, "seller": 0, "escrow": 0, "fees": 0}
        assert journey[5]["money_minor"] == {"buyer": 200_000, "seller": 0, "escrow": 300_000, "fees": 0}
        assert journey[6]["money_minor"] == {"buyer": 200_000, "seller": 295_500, "escrow": 0, "fees": 4_500}
        disputes = told.answer["disputes"]
        assert [step["total_minor"] for step in disputes] == [100_000] * 8
        assert [disputes[number]["money_minor"] for number in (0, 1, 3, 7)] == [
            {"buyer": 84_000, "seller": 0, "escrow": 16_000, "fees": 0},
            {"buyer": 100_000, "seller": 0, "escrow": 0, "fees": 0},
            {"buyer": 94_000, "seller": 5_910, "escrow": 0, "fees": 90},
            {"buyer": 82_000, "seller": 17_730, "escrow": 0, "fees": 270},
        ]
        assert told.answer["audit"]["holds"] is True
        assert "escrow_equals_payments" in told.answer["audit"]["checks"]


async def test_people_read_it_step_by_step(sandbox: Sandbox) -> None:
    told = await danbao("demo", "--data", sandbox.folder)
    assert told.code == 0, told.err
    assert "4. The buyer pays" in told.out
    assert "126.08 CNY" in told.out
    assert "8. The buyer appeals, and another arbitrator gives them 80" in told.out
    assert told.out.rstrip().endswith("invariants of the whole database: every one holds.")


async def test_without_a_core_it_brings_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    with a_folder() as temporary:
        temporary.mkdir(mode=0o711)
        told = await danbao("demo", "--json", cwd=tmp_path, env={"TMPDIR": str(temporary)})
        assert told.code == 0, told.err
        assert len(told.answer["steps"]) == 8
        assert list(temporary.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_was_named_is_not_replaced_by_another_sandbox(tmp_path: Path) -> None:
    refused = await danbao("demo", "--data", tmp_path / "none", "--json")
    assert refused.code == 1
    assert refused.answer["error"]["reason"] == "NOT_RUNNING"
