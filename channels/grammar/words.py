"""Words that people use, and a text as a row of them."""

import re
import unicodedata
from typing import Final

from channels.grammar.commands import Word

COMMANDS: Final[dict[str, tuple[Word, str | None]]] = {
    **dict.fromkeys(("AIDE", "AIDER", "AIDEZ"), (Word.HELP, "fr")),
    "HELP": (Word.HELP, "en"),
    **dict.fromkeys(("INFO", "INFOS"), (Word.INFO, None)),
    **dict.fromkeys(("PRIX", "TARIF", "TARIFS", "REGLES", "REGLEMENT"), (Word.INFO, "fr")),
    **dict.fromkeys(("PRICE", "RULES"), (Word.INFO, "en")),
    "STOP": (Word.STOP, None),
    **dict.fromkeys(("ARRET", "ARRETER", "ARRETEZ", "DESABONNER", "DESABONNEMENT"), (Word.STOP, "fr")),
    **dict.fromkeys(("UNSUBSCRIBE", "STOPALL"), (Word.STOP, "en")),
    "START": (Word.START, None),
    "REPRENDRE": (Word.START, "fr"),
    **dict.fromkeys(("SOLDE", "STATUT"), (Word.STATUS, "fr")),
    "STATUS": (Word.STATUS, None),
    "DOSSIER": (Word.TICKET, "fr"),
    "TICKET": (Word.TICKET, "en"),
    "TOP": (Word.TOP, None),
    **dict.fromkeys(("CLASSEMENT", "RESULTAT", "RESULTATS"), (Word.TOP, "fr")),
    **dict.fromkeys(("RANKING", "RESULTS"), (Word.TOP, "en")),
}
# Also in the middle of a sentence: who writes one of these was charged, or complains, and wants no vote.
DEBITED: Final[dict[str, str]] = {
    **dict.fromkeys(("DEBITE", "DEBITEE", "DEBITES", "DEBITER", "PRELEVE", "PRELEVEE", "PRELEVEMENT"), "fr"),
    **dict.fromkeys(("REMBOURSE", "REMBOURSES", "REMBOURSER", "REMBOURSEZ", "REMBOURSEMENT", "REMBOURSEE"), "fr"),
    **dict.fromkeys(("ARNAQUE", "ARNAQUES", "ARNAQUER", "ARNAQUEE", "ARNAQUEUR", "ARNAQUEURS"), "fr"),
    **dict.fromkeys(("ESCROC", "ESCROCS", "ESCROQUERIE", "VOLEUR", "VOLEURS", "RECLAMATION", "PLAINTE"), "fr"),
    **dict.fromkeys(("ANNULE", "ANNULER", "ANNULEZ", "ANNULEE", "ANNULATION"), "fr"),
    **dict.fromkeys(("DEBITED", "CHARGED", "DEDUCTED", "REFUND", "REFUNDS", "REFUNDED"), "en"),
    **dict.fromkeys(("SCAM", "SCAMMED", "SCAMMERS", "FRAUD", "THIEF", "THIEVES", "STOLE", "STOLEN"), "en"),
    **dict.fromkeys(("CANCEL", "CANCELED", "CANCELLED", "COMPLAINT", "COMPLAIN"), "en"),
}
# The same in several words, one after the other.
COMPLAINTS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    *((words, "fr") for words in (("PAS", "RECU"), ("PAS", "ENCORE", "RECU"), ("RIEN", "RECU"), ("JAMAIS", "RECU"))),
    *((words, "fr") for words in (("MON", "ARGENT"), ("PRIS", "L", "ARGENT"), ("MES", "SOUS"))),
    *((words, "fr") for words in (("J", "AI", "PAYE"), ("J", "AI", "DEJA", "PAYE"), ("AI", "RIEN", "EU"))),
    *((words, "en") for words in (("I", "PAID"), ("I", "HAVE", "PAID"), ("GOT", "NOTHING"))),
    *((words, "fr") for words in (("VOTE", "PAS", "COMPTE"), ("EST", "PAS", "COMPTE"), ("PAS", "ETE", "COMPTE"))),
    *((words, "en") for words in (("MY", "MONEY"), ("NOT", "RECEIVED"), ("NOT", "RECEIVE"), ("NO", "RECEIVE"))),
    *((words, "en") for words in (("T", "RECEIVE"), ("NOT", "RECIEVED"), ("NOT", "COUNTED"), ("NO", "RECEIPT"))),
)
# Questions for the price, in any sentence without an order.
PRICE_QUESTIONS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    *((words, "fr") for words in (("COMBIEN",), ("COUTE",), ("COUTENT",), ("QUEL", "PRIX"), ("LE", "PRIX"))),
    *((words, "en") for words in (("HOW", "MUCH"), ("COST",), ("COSTS",), ("THE", "PRICE"), ("WHAT", "PRICE"))),
)
CHECKS: Final[dict[str, str | None]] = {
    "CHECK": None,
    **dict.fromkeys(("VERIF", "VERIFIER", "VERIFIEZ", "VERIFIE", "PREUVE", "RECU"), "fr"),
    **dict.fromkeys(("VERIFY", "RECEIPT"), "en"),
}
# What people write between CHECK and the receipt.
BEFORE_RECEIPT: Final = frozenset({"LE", "MON", "MY", "RECU", "RECEIPT", "CODE", "NO", "N", "NUMERO"})

YES: Final[dict[str, str | None]] = {"OUI": "fr", "YES": "en"}
# Common words of agreement: an answer only while a question is open.
AGREED: Final = frozenset({*YES, "OK", "OKAY"})
NO: Final[dict[str, str | None]] = {"NON": "fr", "NO": "en"}

VERBS: Final = frozenset({"VOTE", "VOTER", "VOTEZ", "VOT", "VOTTE", "V"})
UNITS: Final = frozenset({"VOTE", "VOTES", "VOIX"})
INTENT: Final = VERBS | UNITS
FOR: Final = frozenset({"POUR", "FOR"})
# Words before a number that mark it as a candidate's code.
BEFORE_A_CODE: Final = FOR | {
    *("A", "TO", "LE", "LA", "THE", "N", "NO", "NUM", "NUMERO", "NUMBER", "CODE", "CANDIDAT", "CANDIDATE")
}
AND: Final = frozenset({"ET", "AND", "PUIS", "THEN"})
POLITE: Final = frozenset({"SVP", "STP", "MERCI", "PLEASE", "THANKS"})
TIMES: Final = frozenset({"X", "FOIS", "TIMES"})
_GREETINGS: Final = frozenset({"BONJOUR", "BONSOIR", "SALUT", "BJR", "HELLO", "HI", "JE", "VEUX", "I", "WANT", "TO"})
# Words that change nothing, by their place: before the code, before the number, after it.
BEFORE_CODE: Final = (
    (VERBS | FOR | POLITE | _GREETINGS | AGREED)
    | {"LE", "LA", "MON", "MA", "MY", "THE", "N", "NO", "NUM", "NUMERO", "NUMBER"}
    | {"CANDIDAT", "CANDIDATE", "CODE", "VOTES"}
)
AFTER_NUMBER: Final = POLITE | TIMES | UNITS
PRICES: Final = frozenset({"F", "FR", "FRS", "FRANC", "FRANCS", "FCFA", "CFA", "XOF", "XAF", "EURO", "EUROS"})
# With one of these the sender may not want a vote at all, so nothing is offered.
NEGATIONS: Final = frozenset(
    {"NE", "PAS", "NON", "PLUS", "JAMAIS", "ANNULER", "ANNULEZ", "ANNULE", "NOT", "DONT", "CANCEL"}
)
NUMBERS: Final[dict[str, int]] = {
    **{"UN": 1, "UNE": 1, "DEUX": 2, "TROIS": 3, "QUATRE": 4, "CINQ": 5, "SEPT": 7, "HUIT": 8, "NEUF": 9, "DIX": 10},
    **{"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5, "SEVEN": 7, "EIGHT": 8, "NINE": 9, "TEN": 10},
    "SIX": 6,
}
# Beside one of these, a smaller number word beside it is only a part of a number.
LARGER: Final[dict[str, int]] = {
    **{"ONZE": 11, "DOUZE": 12, "TREIZE": 13, "QUATORZE": 14, "QUINZE": 15, "SEIZE": 16, "VINGT": 20, "VINGTS": 20},
    **{"TRENTE": 30, "QUARANTE": 40, "CINQUANTE": 50, "SOIXANTE": 60, "DOUZAINE": 12, "DOZEN": 12},
    **{"ELEVEN": 11, "TWELVE": 12, "THIRTEEN": 13, "FOURTEEN": 14, "FIFTEEN": 15, "SIXTEEN": 16, "SEVENTEEN": 17},
    **{"EIGHTEEN": 18, "NINETEEN": 19, "TWENTY": 20, "THIRTY": 30, "FORTY": 40, "FIFTY": 50, "SIXTY": 60},
    **{"SEVENTY": 70, "EIGHTY": 80, "NINETY": 90},
}
MULTIPLIERS: Final[dict[str, int]] = {
    **{"CENT": 100, "CENTS": 100, "HUNDRED": 100, "MILLE": 1000, "THOUSAND": 1000},
    **{"MILLION": 1_000_000, "MILLIONS": 1_000_000},
}

# A minus with nothing before it and a digit after it: `07 -5`, where `07-5` and `07 - 5` only separate.
_MINUS: Final = re.compile(r"(?:(?<![^\W_])|(?<=[\s\d]X))-(?=\d)")
# First a word that would be a number but for its letters (`O7`), then numbers, then words.
_TOKEN: Final = re.compile(
    r"(?<![^\W_])(?=\d*[OIL])[\dOIL]*\d[\dOIL]*(?![^\W_])|-?\d+|[^\W\d_]+",
)
# `12:30` without a word is an hour rather than a vote; with one, the colon only separates.
_HOUR: Final = re.compile(r"\s*\d{1,2}:\d{2}\s*")
_ZERO_IN_VOTE: Final = re.compile(r"\bV0TE")
_GLUED_LETTERS: Final = re.compile(r"\b(VOTE[RZ]?)(?=[OIL]+\d)")
_DIGITS: Final = frozenset("0123456789")
_LETTERS_AS_DIGITS: Final = str.maketrans("OIL", "011")
# A letter that no word of ours has, so that a number in signs we cannot read is never overlooked.
_UNREADABLE_NUMBER: Final = "\u0241"
_DASHES: Final = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212")
_CROSSES: Final = frozenset("\u00d7\u2715\u2716")


def normal(line: str) -> str:
    """Upper-case letters without accents, ASCII digits, `-` for a minus, and spaces for the rest."""
    out = []
    plain = unicodedata.normalize("NFKD", line.replace("%20", " "))
    for character in plain.replace(":", " H ") if _HOUR.fullmatch(plain) else plain:
        category = unicodedata.category(character)
        if category == "Nd":
            out.append(str(unicodedata.decimal(character)))
        elif category[0] == "L":
            out.append(character.upper())
        elif category[0] == "N":
            out.append(_UNREADABLE_NUMBER)
        elif category[0] == "M" or (category == "Cf" and character != "\u200b"):
            continue
        elif category == "Sc":
            out.append(" F ")
        elif character in _CROSSES:
            out.append("X")
        else:
            out.append("-" if character in _DASHES else " ")
    marked = _MINUS.sub("~", "".join(out)).replace("-", " ").replace("~", "-")
    return _GLUED_LETTERS.sub(r"\1 ", _ZERO_IN_VOTE.sub("VOTE", marked))


def tokens_of(line: str) -> list[str]:
    """The numbers and words of a normal line."""
    return _TOKEN.findall(line)


def has_token(line: str) -> bool:
    """Whether a normal line has a number or a word at all."""
    return _TOKEN.search(line) is not None


def has_digit(token: str) -> bool:
    """Whether a token is a number, or would be one but for its letters."""
    return not _DIGITS.isdisjoint(token)


def letters_as_digits(token: str) -> str:
    """`O7` as `07`, `l2` as `12`."""
    return token.translate(_LETTERS_AS_DIGITS)
