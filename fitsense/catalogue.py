"""Exercises and muscle groups: ids, names, aliases, and which muscles an exercise works.

The facts are in ``catalogue.json`` beside this module, each with its source; names in other languages are in
``locales``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import attrs

from fitsense.errors import InvalidInputError, UnknownNameError

UNKNOWN = "unknown"
"""Label of movement when no exercise is certain enough."""

IDLE = "no_exercise"
"""The label of a model for pictures without exercise; also the answer for them."""


LANGUAGES = ("en", "de", "es", "fr", "pt", "it", "zh", "ja")
"""The languages that names are in."""

_ANSWERS = {UNKNOWN: "Unknown movement", IDLE: "No exercise"}
_ID = re.compile(r"[a-z][a-z0-9_]*")
_SIDES = ("front", "back", "both")


@attrs.frozen
class MuscleGroup:
    """A group of muscles that is trained as one.

    :param id: such as ``lower_back``.
    :param name: for people to read.
    :param side: ``front``, ``back`` or ``both`` of the body.
    :param paper: whether it is one of the 11 groups of arXiv 2406.06703.
    """

    id: str
    name: str
    side: str
    paper: bool


@attrs.frozen
class Exercise:
    """An exercise.

    :param id: such as ``hammer_curl``.
    :param name: for people to read.
    :param group: id of the exercise that a classifier reports for it: itself, or a more general one.
    :param aliases: other names, as folders and people write them.
    :param paper_class: its class among the 16 of arXiv 2406.06703, if any.
    :param muscles: ids of the muscle groups that it works; the targets of muscle activation.
    :param assisting: ids of groups that help.
    :param source: where the muscles come from: ``paper``, a free-exercise-db id, ``curated``, or ``extra`` for a host's
        own exercise.
    :param timed: whether it is done for a time, as a plank is, so that it has sets without repetitions.
    """

    id: str
    name: str
    group: str
    aliases: tuple[str, ...]
    paper_class: str | None
    muscles: tuple[str, ...]
    assisting: tuple[str, ...]
    source: str
    timed: bool = False


@attrs.frozen
class Catalogue:
    """Every exercise and muscle group that fitsense knows, by id, with names in one language.

    :param lang: the names' language, one of :data:`LANGUAGES`.
    """

    exercises: Mapping[str, Exercise]
    muscle_groups: Mapping[str, MuscleGroup]
    _names: Mapping[str, str] = attrs.field(repr=False)
    lang: str = "en"
    _answers: Mapping[str, str] = attrs.field(default=_ANSWERS, repr=False)

    def exercise_name(self, id_: str) -> str:
        """An answer's name for people: an exercise's, that of no exercise or of unknown movement, else the id."""
        if id_ in self._answers:
            return self._answers[id_]
        return self.exercises[id_].name if id_ in self.exercises else id_

    def muscle_group_name(self, id_: str) -> str:
        """A muscle group's name for people, else the id."""
        return self.muscle_groups[id_].name if id_ in self.muscle_groups else id_

    def translate(self, text: str, **values: object) -> str:
        """One of fitsense's own texts in the catalogue's language, or as it is where there is no translation.

        :param text: English, with ``{fields}`` for `values`.
        """
        texts: Mapping[str, str] = locale_of(self.lang).get("texts", {})
        return texts.get(text, text).format(**values)

    def warning(self, code: str, message: str, seconds: float = 0.0) -> str:
        """A warning in the catalogue's language, by its code; the message as it is if there is no translation.

        :param code: ``code`` of a ``session.warning`` event.
        :param message: its ``message``, in English.
        :param seconds: how long it lasts, ``end_s - start_s``.
        """
        texts: Mapping[str, str] = locale_of(self.lang).get("warnings", {})
        return texts[code].format(span=f"{seconds:.1f} s") if code in texts else message

    def count(self, number: int, what: str) -> str:
        """A number of things in the catalogue's language.

        :param what: ``exercise``, ``repetition``, ``set`` or ``warning``.
        """
        return self.translate(f"{{n}} {what}{'' if number == 1 else 's'}", n=number)

    def find(self, name: str) -> Exercise:
        """The exercise of an id, a name or an alias, whatever its case, spaces, hyphens and underscores.

        Names are those of the catalogue's language and the English ones.
        """
        try:
            return self.exercises[self._names[_normal(name)]]
        except KeyError:
            raise UnknownNameError(
                f"unknown exercise {name!r}; fitsense.load_catalogue().exercises lists the known ones"
            ) from None


def load_catalogue(lang: str = "en", *, extra: Path | Mapping[str, Any] | None = None) -> Catalogue:
    """The catalogue.

    :param lang: language of the names, such as ``de``; of ``pt-BR`` or ``de_AT.UTF-8`` the first part decides.
    :param extra: a host's own exercises and muscle groups, as a JSON object or the path of its file: ``exercises`` by
        id, each with ``name`` and ``muscles``, and, if there are some, ``assisting``, ``aliases``, ``group`` and
        ``names`` by language; ``muscle_groups`` by id, each with ``name``, ``side`` and, if there are some, ``names``.
    :raises InvalidInputError: there are no names in that language, or `extra` is malformed or has an id that is taken.
    :raises OSError: the file cannot be read.
    """
    short = _language(lang)
    return _shipped(short) if extra is None else _extended(_shipped(short), extra)


def _language(lang: str) -> str:
    short = re.split(r"[-_.@]", lang)[0].lower()
    if short not in LANGUAGES:
        raise InvalidInputError(f"lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
    return short


@functools.cache
def locale_of(lang: str) -> Mapping[str, Any]:
    """The texts of one of the :data:`LANGUAGES`: empty for English, whose texts are where they are used."""
    if lang == "en":
        return {}
    document: dict[str, Any] = json.loads(
        resources.files("fitsense").joinpath("locales", f"{lang}.json").read_text("utf-8")
    )
    return document


@functools.cache
def _shipped(lang: str) -> Catalogue:
    """The shipped catalogue, read once for each language."""
    document = json.loads(resources.files("fitsense").joinpath("catalogue.json").read_text("utf-8"))
    groups = {
        id_: MuscleGroup(id_, entry["name"], entry["side"], entry["paper"])
        for id_, entry in document["muscle_groups"].items()
    }
    exercises = {id_: _exercise(id_, entry, entry["source"]) for id_, entry in document["exercises"].items()}
    names = _with_names({}, exercises.values())
    if lang == "en":
        return Catalogue(exercises, groups, names)
    texts = locale_of(lang)
    called = texts["exercises"]
    exercises = {id_: attrs.evolve(one, name=called[id_]) for id_, one in exercises.items()}
    groups = {id_: attrs.evolve(one, name=texts["muscle_groups"][id_]) for id_, one in groups.items()}
    answers = {id_: called[id_] for id_ in _ANSWERS}
    return Catalogue(exercises, groups, _with_names(names, exercises.values()), lang, answers)


def _extended(catalogue: Catalogue, extra: Path | Mapping[str, Any]) -> Catalogue:
    """The catalogue with a host's own exercises and muscle groups."""
    what = str(extra) if isinstance(extra, Path) else "extra"
    try:
        document = json.loads(extra.read_text("utf-8")) if isinstance(extra, Path) else extra
    except ValueError as error:
        raise InvalidInputError(f"{what}: expected a JSON object, got {error}") from error
    _expect(isinstance(document, Mapping), what, "a JSON object", document)
    _expect_keys(document, ("exercises", "muscle_groups"), what)
    groups, exercises = dict(catalogue.muscle_groups), dict(catalogue.exercises)
    names: dict[str, str] = dict(catalogue._names)
    for id_, entry in _entries(document, "muscle_groups", groups, what):
        place = f"{what}: muscle_groups.{id_}"
        _expect_keys(entry, ("name", "names", "side"), place)
        _expect(entry.get("side") in _SIDES, f"{place}.side", f"one of {', '.join(_SIDES)}", entry.get("side"))
        groups[id_] = MuscleGroup(id_, _named(entry, catalogue.lang, place), entry["side"], paper=False)
    added = list(_entries(document, "exercises", exercises, what))
    ids = {*exercises, *(id_ for id_, _ in added)}
    for id_, entry in added:
        place = f"{what}: exercises.{id_}"
        _expect_keys(entry, ("name", "names", "muscles", "assisting", "aliases", "group"), place)
        for key in ("muscles", "assisting"):
            value = entry.get(key, [] if key == "assisting" else None)
            known = isinstance(value, list) and all(isinstance(one, str) and one in groups for one in value)
            _expect(known, f"{place}.{key}", f"a list of ids of {', '.join(groups)}", value)
        aliases = entry.get("aliases", [])
        texts = isinstance(aliases, list) and all(isinstance(one, str) for one in aliases)
        _expect(texts, f"{place}.aliases", "a list of names", aliases)
        _expect(entry.get("group", id_) in ids, f"{place}.group", "the id of an exercise", entry.get("group"))
        english = _exercise(id_, {**entry, "name": _named(entry, "en", place)}, "extra")
        exercise = attrs.evolve(english, name=_named(entry, catalogue.lang, place))
        for name in (exercise.id, english.name, exercise.name, *exercise.aliases):
            taken = names.setdefault(_normal(name), id_)
            _expect(taken == id_, place, f"names that no other exercise has; {taken} is called so", name)
        exercises[id_] = exercise
    return attrs.evolve(catalogue, exercises=exercises, muscle_groups=groups, names=names)


def _entries(
    document: Mapping[str, Any], part: str, taken: Mapping[str, Any], what: str
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    entries = document.get(part, {})
    _expect(isinstance(entries, Mapping), f"{what}: {part}", "a JSON object", entries)
    for id_, entry in entries.items():
        _expect(_ID.fullmatch(id_) is not None, f"{what}: {part}", "ids of a-z, 0-9 and _", id_)
        _expect(id_ not in taken and id_ not in _ANSWERS, f"{what}: {part}", "ids that are not taken", id_)
        _expect(isinstance(entry, Mapping), f"{what}: {part}.{id_}", "a JSON object", entry)
        yield id_, entry


def _named(entry: Mapping[str, Any], lang: str, place: str) -> str:
    """The name in a language, or else in English."""
    names = entry.get("names", {})
    _expect(isinstance(names, Mapping) and names.keys() <= set(LANGUAGES), f"{place}.names", "names by language", names)
    name = names.get(lang, entry.get("name"))
    _expect(isinstance(name, str) and bool(name.strip()), f"{place}.name", "a name", name)
    assert isinstance(name, str)
    return name


def _expect(holds: bool, place: str, expected: str, got: Any) -> None:
    if not holds:
        raise InvalidInputError(f"{place}: expected {expected}, got {got!r}")


def _expect_keys(entry: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    _expect(set(entry) <= set(known), place, f"the properties {', '.join(known)}", sorted(set(entry) - set(known)))


def _exercise(id_: str, entry: Mapping[str, Any], source: str) -> Exercise:
    return Exercise(
        id=id_,
        name=entry["name"],
        group=entry.get("group", id_),
        aliases=tuple(entry.get("aliases", ())),
        paper_class=entry.get("paper_class"),
        muscles=tuple(entry["muscles"]),
        assisting=tuple(entry.get("assisting", ())),
        source=source,
        timed=entry.get("timed", False),
    )


def _with_names(names: Mapping[str, str], exercises: Iterable[Exercise]) -> dict[str, str]:
    """The ids of names, with those of some exercises; who had a name before keeps it."""
    found = dict(names)
    for exercise in exercises:
        for name in (exercise.id, exercise.name, *exercise.aliases):
            found.setdefault(_normal(name), exercise.id)
    return found


def _normal(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().lower()


def is_timed(exercise: str) -> bool:
    """True if an exercise is held for a time; exercises outside the catalogue are not."""
    known = load_catalogue().exercises.get(exercise)
    return known is not None and known.timed


def may_be_held(exercise: str) -> bool:
    """True if an exercise may be a set without repetitions; exercises outside the catalogue may."""
    known = exercise in load_catalogue().exercises
    return is_timed(exercise) if known else exercise != UNKNOWN
