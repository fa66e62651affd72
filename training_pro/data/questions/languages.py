"""Whether a question is in the language of its text: by the script, and in Latin script by little words.

Not a guess at the language of any text: it only has to notice a model that answers in English (or in the language it
was made for) to a text in another one. Costs microseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_LETTERS_LOOKED_AT = 400
_SURE_OF_TEXT = 3  # little words that tell what language a text is in
_SURE_OF_QUESTION = 2
_WORD = re.compile(r"[^\W\d_]+")
_TOGETHER = {"CJK": "east asian", "HIRAGANA": "east asian", "KATAKANA": "east asian", "KATAKANA-HIRAGANA": "east asian"}
_LITTLE_WORDS = {
    "English": "the of and to is was what who which where when why how does did do are were has had his her with that",
    "German": "der die das und ist war was wer wie wo wann warum welche welcher welches ein eine den dem des im nicht",
    "French": "le la les et est qui que quel quelle où quand pourquoi comment un une des du dans était pas sont ce",
    "Spanish": "el la los las y es qué quién cuál cuándo dónde cómo por un una de del en era que no está son",
    "Italian": "il lo la gli e è che chi quale quando dove perché come un una di del della nel era non sono cosa",
    "Portuguese": "o a os as e é que quem qual quando onde como porque um uma de do da no na era não são",
    "Dutch": "de het een en is was wat wie waar wanneer waarom hoe welke van in niet zijn op door met",
    "Polish": "i jest był była co kto gdzie kiedy dlaczego jak który która w na z się nie do to",
    "Swedish": "och är var vad vem när varför hur vilken vilket en ett den det som i på av inte",
    "Danish": "og er var hvad hvem hvor hvornår hvorfor hvordan hvilken en et den det som i på af ikke",
    "Czech": "a je byl byla co kdo kde kdy proč jak který která v na z se ne do to",
    "Hungarian": "a az és volt mi ki hol mikor miért hogyan melyik egy nem van hogy mit",
    "Finnish": "ja on oli mikä kuka missä milloin miksi miten mitä ei se hän että kun",
    "Turkish": "ve bir bu ne kim nerede zaman neden nasıl hangi için ile değil mi mı olan",
    "Romanian": "și este era ce cine unde când cum care un o de la în nu sunt",
    "Indonesian": "dan yang di apa siapa mana kapan mengapa bagaimana adalah dari untuk dengan tidak itu ini",
}
_WORDS_OF = {language: frozenset(words.split()) for language, words in _LITTLE_WORDS.items()}


def main_script(text: str) -> str:
    """The script of most letters: "LATIN", "CYRILLIC", "east asian"; "" without letters."""
    letters = [letter for letter in text if letter.isalpha()][:_LETTERS_LOOKED_AT]
    found = Counter(_script(letter) for letter in letters)
    return found.most_common(1)[0][0] if found else ""


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0]
    return _TOGETHER.get(name, name)


def is_other_language(question: str, text: str) -> bool:
    """Whether `question` is surely in another language than `text`; False where that can't be known."""
    script, own_script = main_script(question), main_script(text)
    if script and own_script and script != own_script:
        return True
    own = _counts(text)
    language, count = own.most_common(1)[0]
    if own_script != "LATIN" or count < _SURE_OF_TEXT:
        return False
    asked = _counts(question)
    return asked[language] == 0 and max(asked.values()) >= _SURE_OF_QUESTION


def _counts(text: str) -> Counter[str]:
    """How many words of the text are little words of each language."""
    words = [word.casefold() for word in _WORD.findall(text)]
    return Counter({language: sum(word in little for word in words) for language, little in _WORDS_OF.items()})
