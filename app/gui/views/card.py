"""The prediction card: a number never without interval, base rate, definition and limits."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.conformal_wording import conformal_text
from app.core.explanation_wording import card_health_lines
from app.core.reason_wording import NOTHING_ASKED, asked_model
from app.core.reference_wording import SHARES_REFERENCE
from app.core.results import Case, ModelSummary, Prediction, Verdict
from app.gui.session import OpenCase, Session
from app.gui.widgets.card_table import card_table
from app.gui.widgets.contribution_bars import ContributionBars
from app.gui.widgets.icons import VERDICT_STATES, StateSign
from app.gui.widgets.score_axis import HistogramKey, ScoreAxis
from app.gui.widgets.tables import Table
from app.gui.widgets.theme import font
from app.gui.widgets.view import View

_SHOWN_METRICS = (
    "mean_fd_power_mm",
    "good_minutes",
    "usable_minutes",
    "flagged_share",
    "censored_share",
    "tsnr",
    "smallest_coverage",
    "coverage",
)


class CardView(View):
    """Outcome, question, probability and its context, quality, likeness, limits, provenance."""

    name = "card"
    title = "Prediction"
    takes_turns = True

    model_asked = Signal(str)  # show the card of this model

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.viewport().setAutoFillBackground(False)
        self.area.setAccessibleName("Prediction card")
        self.body.addWidget(self.area)
        self.title_label.hide()
        self.refresh()

    def sentence(self) -> str:
        """Outcome and number with its interval and base rate; of a withheld one, why."""
        opened = self.session.case
        found = opened.case.prediction if opened is not None else None
        if opened is None or found is None:
            return "No prediction was computed."
        word = wording.outcome_word(found.outcome)
        if opened.withheld or found.probability is None or found.interval is None:
            return f"{word}: {'; '.join(map(wording.bare_reason, found.reasons))}"
        parts = [word, wording.probability_text(found.probability, found.interval)]
        if found.model is not None:
            parts.append(wording.base_rate_text(found.model))
        return "; ".join([*parts, wording.RUO_LINE])

    def as_table(self) -> Table | None:
        """What the card's figures draw; nothing of a withheld one."""
        opened = self.session.case
        found = opened.case.prediction if opened is not None else None
        withheld = opened is None or opened.withheld
        return None if withheld or found is None else card_table(found)

    def refresh(self) -> None:
        """Build the card for the case that is open."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(2, 0, 8, 2)
        column.setSpacing(8)
        opened = self.session.case
        if opened is None or opened.case.prediction is None:
            column.addStretch(1)
            label = QLabel(self.empty_reason() if opened is None else "No prediction was computed.")
            label.setObjectName("muted")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
            column.addStretch(1)
        elif opened.withheld:
            self._build_withheld(column, opened, opened.case.prediction)
        else:
            self._build_result(column, opened, opened.case.prediction)
        self.area.setWidget(content)
        content.setAutoFillBackground(False)  # setWidget turned it on; the panel shows through
        bar = self.area.verticalScrollBar().sizeHint().width()
        self.area.setMinimumWidth(content.minimumSizeHint().width() + bar)  # nothing is cut

    def whole_height(self, width: int) -> int:
        """The height in which nothing of the card is scrolled, in pixels."""
        content = self.area.widget()
        if content is None:
            return 0
        around = self.minimumSizeHint().height() - self.area.minimumSizeHint().height()
        margins, layout = self.contentsMargins(), self.layout()
        if layout is not None:
            margins += layout.contentsMargins()
        inside = width - margins.left() - margins.right()
        return around + max(content.heightForWidth(inside), content.minimumSizeHint().height())

    # outcomes ----------------------------------------------------------------------

    def _build_result(self, column: QVBoxLayout, opened: OpenCase, found: Prediction) -> None:
        case, model = opened.case, found.model
        column.addLayout(self._head(found))
        if model is None or found.probability is None or found.interval is None:
            return
        column.addWidget(_rule())
        column.addLayout(self._question(model))
        column.addWidget(_rule())
        column.addLayout(self._estimates(found, model), 1)
        column.addWidget(
            _text(wording.natural_frequency_text(found.probability, model), small=True)
        )
        column.addWidget(_text(wording.control_arm_sentence(model), small=True))
        column.addWidget(_text(conformal_text(found), small=True, muted=True))
        column.addWidget(_rule())
        facts = QHBoxLayout()
        facts.setSpacing(18)
        facts.addLayout(self._quality(opened), 5)
        facts.addLayout(self._reliance(found), 5)
        facts.addLayout(self._health(opened), 4)
        column.addLayout(facts)
        column.addWidget(_rule())
        words = f"Limits: {wording.metric_text(model)}. {wording.gain_text(model)}. "
        if model.external_test:
            words += f"External test: {model.external_test}. "
        words += wording.limits_sentences(model)
        if model.interval_method:
            words += f" Interval: {model.interval_method.rstrip('.')}."
        column.addWidget(_text(words, small=True))
        column.addWidget(_text(_provenance_line(case), small=True, muted=True))
        column.addStretch(1)

    def _build_withheld(self, column: QVBoxLayout, opened: OpenCase, found: Prediction) -> None:
        column.addLayout(self._head(found))
        reasons = QVBoxLayout()
        reasons.setSpacing(4)
        for reason in found.reasons:
            reasons.addWidget(_text(f"•  {wording.bare_reason(reason)}"))
        column.addLayout(reasons)
        column.addWidget(_rule())
        model = asked_model(opened.case)
        if model is not None:
            column.addLayout(self._question(model))
            column.addWidget(_rule())
        elif found.model is not None:
            column.addWidget(_text(NOTHING_ASKED, muted=True))
            column.addWidget(_rule())
        column.addLayout(self._quality(opened))
        column.addWidget(_rule())
        column.addWidget(_text(wording.NO_NUMBER_MEANING, muted=True))
        column.addStretch(1)

    # parts ---------------------------------------------------------------------------

    def _head(self, found: Prediction) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(10)
        # No sign and no colour: neither outcome is good, bad or an error.
        word = QLabel(wording.outcome_word(found.outcome))
        word.setFont(font(self.font(), scale=1.7, bold=True))
        word.setAccessibleDescription("Outcome")
        row.addWidget(word)
        sentence = _text(wording.outcome_sentence(found))
        row.addWidget(sentence, 1)
        return row

    def _question(self, model: ModelSummary) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        rows = (
            ("Treatment", wording.treatment_text(model)),
            ("Responder definition", wording.with_signs(model.responder_definition)),
            ("Learned from", f"{model.population} (n = {model.training_count})"),
        )
        for row, (name, value) in enumerate(rows):
            label = _text(name, muted=True)
            label.setWordWrap(False)
            # As wide as the words from the first layout on, before the style sheet was read.
            label.ensurePolished()
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance(name) + 2)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(_text(value), row, 1)
        button = QPushButton("Model card")
        button.setToolTip("Everything about this model, limitations first (Ctrl+M)")
        button.clicked.connect(lambda: self.model_asked.emit(model.model_id))
        grid.addWidget(button, 0, 2, 2, 1, Qt.AlignmentFlag.AlignTop)
        return grid

    def _estimates(self, found: Prediction, model: ModelSummary) -> QGridLayout:
        assert found.probability is not None
        assert found.interval is not None
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(2, 1)  # only the axes grow
        grid.addWidget(_text("Scan and covariates: this model", muted=True), 0, 0)
        grid.addLayout(self._number(found.probability, wording.interval_text(found.interval)), 1, 0)
        axis = ScoreAxis(model, found.probability, found.interval, histogram=True)
        grid.addWidget(axis, 2, 0)
        grid.addWidget(HistogramKey(model), 3, 0)
        grid.addWidget(_text("Covariates only: age, sex, motion, baseline pain", muted=True), 0, 1)
        covariate = found.covariate_probability
        if covariate is None:
            grid.addWidget(_text("Not available: a covariate is missing.", muted=True), 1, 1)
        else:
            points = 100.0 * (found.probability - covariate)
            words = f"this model differs by {wording.signed(points, 0)} points"
            grid.addLayout(self._number(covariate, words), 1, 1)
            grid.addWidget(ScoreAxis(model, covariate, None, histogram=False), 2, 1)
        grid.addWidget(_text(_context(model), small=True), 3, 1)
        return grid

    def _number(self, share: float, words: str) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(10)
        number = QLabel(wording.percent(share))
        number.setFont(font(self.font(), scale=2.0, bold=True))
        row.addWidget(number)
        row.addWidget(_text(words), 1, Qt.AlignmentFlag.AlignVCenter)
        return row

    def _quality(self, opened: OpenCase) -> QVBoxLayout:
        column = _section("Scan quality and likeness")
        quality = opened.case.quality
        if quality is None:
            column.addWidget(_text("Quality was not measured.", small=True))
            return column
        withheld = wording.failed_gates(quality)
        attention = [m for m in quality.metrics if m.verdict is Verdict.ATTENTION]
        named = [m for m in quality.metrics if m.name in _SHOWN_METRICS]
        shown = list(dict.fromkeys([*withheld, *attention, *named, *quality.metrics]))[:5]
        for metric in shown:
            row = QHBoxLayout()
            row.setSpacing(6)
            sign = StateSign(VERDICT_STATES[metric.verdict], 14)
            row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
            words = f"{metric.label}: {wording.metric_value(metric)}"
            if metric.verdict is Verdict.WITHHELD:
                words += f" (limit: {wording.limit_text(metric)})"
            words += f" – {wording.VERDICT_WORDS[metric.verdict].lower()}"
            row.addWidget(_text(words, small=True), 1)
            column.addLayout(row)
        column.addWidget(_text(_likeness(opened), small=True))
        column.addStretch(1)
        return column

    def _reliance(self, found: Prediction) -> QVBoxLayout:
        column = _section("What it relied on (log-odds)")
        if found.contributions:
            column.addWidget(ContributionBars(found.contributions))
            if found.log_odds is not None:
                words = f"Sum {wording.signed(found.log_odds)} before calibration."
                column.addWidget(_text(words, small=True, muted=True))
            column.addWidget(_text(SHARES_REFERENCE, small=True, muted=True))
            if not found.contributions_exact:
                column.addWidget(_text(wording.SHARES_SHAPLEY, small=True, muted=True))
        else:
            column.addWidget(_text("Not available for this model.", small=True))
        column.addWidget(_text(wording.NON_CAUSAL_CAPTION, small=True, muted=True))
        column.addStretch(1)
        return column

    def _health(self, opened: OpenCase) -> QVBoxLayout:
        column = _section("Explanation health")
        found = opened.attribution
        if found is None:
            column.addWidget(_text("The explanation is not computed yet.", small=True))
        else:
            prediction = opened.case.prediction
            rows = card_health_lines(
                found,
                opened.health,
                opened.sensitivity,
                None if prediction is None else prediction.log_odds_windows,
            )
            for words in rows:
                column.addWidget(_text(words, small=True))
        column.addStretch(1)
        return column


def _likeness(opened: OpenCase) -> str:
    """Of a stale case it may have been measured, and does not stand any more."""
    prediction = opened.case.prediction
    novelty = prediction.novelty if prediction is not None else None
    return wording.LIKENESS_STALE if opened.stale else wording.likeness_text(novelty)


def _context(model: ModelSummary) -> str:
    return f"{wording.cutoff_text(model)}. Bars: held-out {wording.people(model)}."


def _provenance_line(case: Case) -> str:
    made, model = case.provenance, case.prediction.model if case.prediction else None
    parts = [f"Model {model.model_id} {wording.short_hash(model.weights_sha256)}"] if model else []
    parts.append(f"scan {wording.short_hash(case.scan.sha256)}")
    if case.signals is not None:
        parts.append(f"atlas {case.signals.atlas}")
        parts.append(case.signals.preset)
    if made is not None:
        seed = made.seeds.get("run")
        parts += [f"NeuroResponder {made.app_version}", made.device]
        if seed is not None:
            parts.append(f"seed {seed}")
        parts.append(str(made.parameters.get("finished_utc", "time not recorded")))
    return "  ·  ".join(parts)


def _section(title: str) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(4)
    label = QLabel(title)
    label.setObjectName("title")
    label.setWordWrap(True)
    column.addWidget(label)
    return column


def _text(words: str, *, small: bool = False, muted: bool = False) -> QLabel:
    label = QLabel(words)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(60)
    if muted:
        label.setObjectName("muted")
    if small:
        label.setFont(font(label.font(), scale=0.9))
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _rule() -> QWidget:
    line = QWidget()
    line.setObjectName("rule")
    line.setFixedHeight(1)
    return line
