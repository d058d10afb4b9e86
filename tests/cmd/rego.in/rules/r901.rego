package assay

# Whoever trained must not have evaluated.
deny contains {"msg": msg, "code": "evaluation.own", "subject": evaluation.subjects[0].artifact} if {
	some training in input.chain.train
	some evaluation in input.chain.evaluate
	some one in training.signers
	some other in evaluation.signers
	one.owner == other.owner
	msg := sprintf("%s trained and evaluated", [one.owner])
}
