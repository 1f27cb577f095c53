"""What the two sides of a dispute show."""

import hashlib
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from danbao_core.dispute_errors import (
    EvidenceClosed,
    EvidenceHashMismatch,
    EvidenceMissing,
    EvidenceTooLarge,
    EvidenceTypeUnknown,
    TooMuchEvidence,
)
from danbao_core.disputes import steps
from danbao_core.disputes.lifecycle import DisputeEvent, Party, state_after
from danbao_core.disputes.rows import Dispute, Evidence, EvidenceFile
from danbao_core.engine import Book, Command, Decision, Draft, Key, refused_after
from danbao_core.errors import Refusal

MEDIA_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
MOST_BYTES: Final = 1_048_576
MOST_CHARACTERS: Final = 4_000

BYTES_OF_A_DECISION: Final = 16 * 1024
"""So many bytes of a file weigh as much as a payment."""


class SubmitEvidence(Command[Evidence], frozen=True):
    """A side shows a text, a file, or both; it stays as it is.

    Refused: EvidenceMissing, EvidenceTooLarge, EvidenceTypeUnknown, EvidenceHashMismatch, DisputeNotFound, InvalidTransition,
    PartyMissing, ActorNotAllowed, EvidenceClosed (the time for it in a review is over), TooMuchEvidence.
    """

    result_type = Evidence
    dispute_id: UUID
    party: Party | None = None
    """The side for which a service acts that is bound to nobody."""
    text: str = ""
    file_name: str = ""
    media_type: str = ""
    sha256: bytes = b""
    """Of the content, by which the sender makes sure that it arrived."""
    content: bytes = b""

    @property
    def size(self) -> int:
        """What waits is bounded by it, and what one commit writes: 63 files of a mebibyte and three, not thousands."""
        return 1 + len(self.content) // BYTES_OF_A_DECISION

    def keys(self, book: Book) -> Iterable[Key]:
        yield from steps.keys(book, self.dispute_id)

    def decide(self, book: Book) -> Decision[Evidence]:
        dispute = steps.dispute_of(book, self.dispute_id, self.origin)
        own = dispute.side_of(self.origin.account_id)
        actor = steps.party_of(self.origin, own, DisputeEvent.SUBMIT_EVIDENCE, self.party)
        self._must_be_evidence()
        ids, draft = self.ids(), Draft(book)
        evidence = self._evidence(ids.take(), actor, draft)
        dispute = steps.catch_up(draft, ids, self.origin, dispute)
        caught_up = draft.changes
        try:
            facts = self._facts(draft, dispute, actor)
            steps.take(draft, ids, self.origin, dispute, DisputeEvent.SUBMIT_EVIDENCE, actor, **facts)
        except Refusal as refusal:
            return refused_after(caught_up, evidence, refusal)
        draft.put(evidence)
        if self.content:
            draft.put(EvidenceFile(evidence.id, self.content))
        return Decision(evidence, draft.changes)

    def _must_be_evidence(self) -> None:
        if not (self.text or self.content):
            raise EvidenceMissing
        if len(self.text) > MOST_CHARACTERS or len(self.content) > MOST_BYTES:
            raise EvidenceTooLarge(most_bytes=MOST_BYTES, most_characters=MOST_CHARACTERS)
        if self.content and self.media_type not in MEDIA_TYPES:
            raise EvidenceTypeUnknown(media_types=",".join(sorted(MEDIA_TYPES)))
        if self.content and hashlib.sha256(self.content).digest() != self.sha256:
            raise EvidenceHashMismatch
        if not self.content and (self.file_name or self.media_type or self.sha256):
            raise EvidenceMissing  # of the file that is described

    def _evidence(self, evidence_id: UUID, actor: Party, draft: Draft) -> Evidence:
        return Evidence(
            id=evidence_id,
            dispute_id=self.dispute_id,
            party=actor,
            text=self.text,
            file_name=self.file_name,
            media_type=self.media_type,
            size_bytes=len(self.content),
            sha256=self.sha256,
            created_at=draft.now,
        )

    def _facts(self, draft: Draft, dispute: Dispute, actor: Party) -> dict[str, Any]:
        state_after(dispute.state, DisputeEvent.SUBMIT_EVIDENCE, actor)
        if dispute.evidence_until is not None and dispute.evidence_until <= draft.now:
            raise EvidenceClosed(evidence_until=dispute.evidence_until.isoformat())
        field = "buyer_evidence" if actor is Party.BUYER else "seller_evidence"
        shown = getattr(dispute, field)
        if shown >= draft.policy.dispute_evidence_per_party:
            raise TooMuchEvidence(most=draft.policy.dispute_evidence_per_party)
        return {field: shown + 1}
