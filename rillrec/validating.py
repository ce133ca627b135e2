"""What a flow would refuse of a file: its own steps, up to where learning begins."""

from __future__ import annotations

from msgspec import Struct

from flows.batches import SourceBatch
from flows.decode import Decode
from flows.persist import Persist
from flows.recommend import wall_ms
from flows.sessionise import Sessionise
from flows.shard import Shard
from flows.sources.file import FileSource
from flows.tally import Tally
from schemas.user_state import StreamRules
from serving.store import DeadLetter, MemoryStore

EXAMPLES = 3
SHOWN_BYTES = 200


class Example(Struct, frozen=True):
    """A row that would be refused: its line in the file, from 1, why, and how it begins."""

    line: int
    message: str
    begins: str


class Refusal(Struct):
    """All rows that would be refused for one reason."""

    reason: str
    rows: int = 0
    examples: list[Example] = []


class Verdict(Struct, frozen=True):
    """What would become of a file's rows.

    Parameters
    ----------
    columns
        What was taken for what.
    """

    columns: str
    rows: int
    accepted: int
    filtered: int
    duplicates: int
    refused: int
    refusals: list[Refusal]


class Validation:
    """Reads a file through decode, shard and sessionise, and keeps what they refuse.

    Users are kept in memory, as lateness and repetition are judged by user.
    """

    def __init__(self, source: FileSource, rules: StreamRules) -> None:
        self.source, self.tally = source, Tally()
        self._rules = rules
        self._store = MemoryStore()
        self._decode = Decode(source.decoder, tally=self.tally, now_ms=wall_ms)
        self._shard = Shard(tally=self.tally)
        self._persist = Persist(self._store, key="validate", tally=self.tally)
        self._sessionise: dict[str, Sessionise] = {}
        self._refusals: dict[str, Refusal] = {}

    def run(self) -> Verdict:
        """Read the file to its end."""
        for batch in self.source.batches():
            for letter in self._refused(batch):
                self._keep(letter)
        tally = self.tally
        return Verdict(
            columns=self.source.head.told,
            rows=tally.records,
            accepted=tally.events,
            filtered=tally.filtered,
            duplicates=tally.duplicates,
            refused=tally.rejected,
            refusals=sorted(self._refusals.values(), key=lambda refusal: -refusal.rows),
        )

    def _refused(self, batch: SourceBatch) -> list[DeadLetter]:
        letters: list[DeadLetter] = []
        for shard, piece in self._shard(self._decode([batch])):
            settled, _ = self._step_of(shard).on_batch([piece])
            for one in settled:
                letters += one.write.dead if one.write else ()
            self._persist([(shard, one) for one in settled])
        return sorted(letters, key=lambda letter: letter.offset)

    def _step_of(self, shard: str) -> Sessionise:
        if shard not in self._sessionise:
            self._sessionise[shard] = Sessionise(self._store, self._rules, tally=self.tally)
        return self._sessionise[shard]

    def _keep(self, letter: DeadLetter) -> None:
        refusal = self._refusals.setdefault(letter.reason, Refusal(letter.reason))
        refusal.rows += 1
        if len(refusal.examples) < EXAMPLES:
            line = letter.offset + self.source.head.skipped + 1
            begins = letter.payload[:SHOWN_BYTES].decode(errors="replace")
            refusal.examples.append(Example(line, letter.message, begins))
