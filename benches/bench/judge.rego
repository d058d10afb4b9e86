# What the declarative policy beside this asks, in Rego.
package assay

signers := {
	"build": "builder",
	"evaluate": "evaluator",
	"export": "data",
	"package": "packager",
	"prepare": "data",
	"train": "trainer",
	"tune": "trainer",
}

# What each step made and used, and who stands behind it.
of(step) := [one |
	some one in input.statements
	one.step == step
	some signer in one.signers
	signer.name == signers[step]
]

products(step) := {made.artifact | some one in of(step); some made in one.subjects}

materials(step) := {used.artifact | some one in of(step); some used in one.materials}

owners(step) := {signer.owner | some one in of(step); some signer in one.signers}

denial(code, message) := {"msg": message, "code": code, "subject": input.artifact}

deny contains denial("step.missing", sprintf("nobody says that %s happened", [step])) if {
	some step, _ in signers
	count(of(step)) == 0
}

deny contains denial("step.same-signer", "whoever trained evaluated") if {
	count(owners("train") & owners("evaluate")) > 0
}

deny contains denial("flow.broken", sprintf("not all of %s is in %s", [from, to])) if {
	some [from, to] in [["export", "prepare"], ["train", "tune"], ["tune", "package"]]
	count(products(from) - materials(to)) > 0
}

deny contains denial("flow.broken", "something else was evaluated") if {
	products("tune") != products("evaluate")
}

named(name) := {made.artifact | some one in of("prepare"); some made in one.subjects; made.name == name}

deny contains denial("flow.unmatched", "there is no training data") if count(named("data/train.csv")) == 0

deny contains denial("flow.broken", "other data was trained on") if {
	count(named("data/train.csv") - materials("train")) > 0
}

deny contains denial("flow.forbidden", sprintf("the hold-out went into %s", [step])) if {
	some step in ["train", "tune"]
	count(named("data/holdout.csv") & materials(step)) > 0
}

last := max({one.index | some one in of("evaluate")})

measured := [measurement |
	some one in of("evaluate")
	one.index == last
	some measurement in one.predicate.measurements
]

least := {"accuracy": 0.95, "recall": 0.93}

deny contains denial("metric.missing", sprintf("there is no %s", [metric])) if {
	some metric, _ in least
	count([one | some one in measured; one.metric == metric]) == 0
}

deny contains denial("metric.threshold", sprintf("%s is %s", [one.metric, one.value])) if {
	some one in measured
	not one.slice
	to_number(one.value) < least[one.metric]
}

deny contains denial("metric.samples", sprintf("%s is of %d records", [one.metric, one.sampleSize])) if {
	some one in measured
	not one.slice
	one.sampleSize < 100
}

day := ((24 * 60) * 60) * 1000000000

deny contains denial("age.exceeded", "the training is too old") if {
	some one in of("train")
	finished := time.parse_rfc3339_ns(one.predicate.runDetails.metadata.finishedOn)
	time.now_ns() - finished > 90 * day
}

deny contains denial("age.exceeded", "the evaluation is too old") if {
	some one in of("evaluate")
	time.now_ns() - time.parse_rfc3339_ns(one.predicate.evaluatedOn) > 30 * day
}
