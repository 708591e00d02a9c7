"""A bundle's folder as a whole: whether it keeps what its manifest promises, every fault named at once.

Owns the comparison of the files with the manifest. It loads no graph: that is the engine's part. Torch-free.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from models.labels import read_labels
from models.manifest import BundleError, Manifest, file_sha256, read_manifest
from models.sections import TextInput, WordsInput
from models.text.expressions import PieceVocabulary
from models.text.questions import QuestionVocabulary
from models.text.vocabulary import read_vocabulary
from models.text.word_files import read_words

#: The classes of what is told apart, or the answers that can be given, stand in labels.csv.
LABELLED_TASKS = ("classify", "route", "answer", "locate")


def check_bundle(folder: Path) -> list[str]:
    """Name every fault of a bundle folder, without loading its graphs; an empty list means that it holds."""
    try:
        manifest = read_manifest(folder)
    except BundleError as error:
        return error.faults
    faults = _check_place(folder, manifest)
    for name, digest in manifest.files.items():
        faults += _check_file(folder, name, digest)
    if manifest.task in LABELLED_TASKS:
        faults += _check_labels(folder, manifest)
    if isinstance(manifest.text, TextInput):
        faults += _check_vocabulary(folder, manifest.text)
    elif manifest.text is not None:
        faults += _check_words(folder, manifest.text)
    return faults


def read_sequence_words(folder: Path, text: WordsInput) -> QuestionVocabulary | PieceVocabulary:
    """Read the words of a bundle that answers questions or grounds expressions.

    Raises:
        BundleError: with every fault of the file.
    """
    path = folder / text.file
    return read_words(path, QuestionVocabulary) if text.kind == "question" else read_words(path, PieceVocabulary)


def _check_place(folder: Path, manifest: Manifest) -> list[str]:
    faults = []
    if folder.name != manifest.version:
        faults.append(f"the folder is called {folder.name} but the manifest says version {manifest.version}")
    if folder.parent.name != manifest.name:
        faults.append(f"the parent folder is called {folder.parent.name} but the manifest says name {manifest.name}")
    return faults


def _check_file(folder: Path, name: str, digest: str) -> list[str]:
    path = folder / name
    if len(PurePosixPath(name).parts) != 1 or path.is_symlink():
        return [f"{name} must be a plain file inside the bundle"]
    if not path.is_file():
        return [f"{name} is missing"]
    if file_sha256(path) != digest:
        return [f"{name} does not have the sha256 that the manifest states"]
    return []


def _check_labels(folder: Path, manifest: Manifest) -> list[str]:
    if "labels.csv" not in manifest.files or not (folder / "labels.csv").is_file():
        return [f"a {manifest.task} bundle needs labels.csv, listed under 'files'"]
    try:
        labels = read_labels(folder / "labels.csv", manifest.levels)
    except BundleError as error:
        return error.faults
    scores = "scores" if manifest.task == "locate" else "logits"
    output = next((output for output in manifest.outputs if output.name == scores), None)
    if output is None or output.shape[-1:] != (len(labels),):
        return [f"labels.csv has {len(labels)} classes, which the output {scores!r} does not match"]
    return []


def _check_vocabulary(folder: Path, text: TextInput) -> list[str]:
    try:
        vocabulary = read_vocabulary(folder / text.file)
    except BundleError as error:
        return [f"{text.file}: {fault}" for fault in error.faults]
    if (vocabulary.phrases, vocabulary.length) != (text.phrases, text.words):
        made = f"{vocabulary.phrases} phrases of {vocabulary.length} words"
        return [f"{text.file} makes {made}; the manifest's 'text' says {text.phrases} of {text.words}"]
    return []


def _check_words(folder: Path, text: WordsInput) -> list[str]:
    try:
        words = read_sequence_words(folder, text)
    except BundleError as error:
        return [f"{text.file}: {fault}" for fault in error.faults]
    if words.length != text.length:
        return [f"{text.file} makes {words.length} ids; the manifest's 'text' says {text.length}"]
    return []
