# SPDX-FileCopyrightText: l2ops.metallb contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's shape: LAB_WORKERS, LAB_CONTROL_PLANES, LAB_DUAL_STACK, LAB_SUBNET, LAB_METALLB, LAB_IMAGES, LAB_ENGINE (docs/lab.md).
.DEFAULT_GOAL := help
.PHONY: help demo test check lab lab-down lab-status lab-fault lab-undo test-matrix test-awx lab-talos lab-talos-down test-talos test-argocd test-report test-metallb record bench fuzz
PYTHON ?= python3
LAB := $(PYTHON) tests/lab/lab.py
export LAB_WORKERS LAB_CONTROL_PLANES LAB_DUAL_STACK LAB_SUBNET LAB_METALLB LAB_IMAGES LAB_ENGINE LAB_INSTALL LAB_CLUSTER LAB_TALOS_SUBNET LAB_TALOS_WORKERS

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## a real cluster from nothing, site.yml against it, and the table of services
	@$(PYTHON) tests/lab/demo.py

test: ## what CI runs: lint, sanity, unit, Molecule on the lab, integration
	@$(PYTHON) tests/lab/suite.py

check: ## lint and unit tests: seconds, no lab
	@$(PYTHON) tests/tools/check.py lint unit

test-matrix: ## sanity and unit tests on every supported ansible-core
	@$(PYTHON) tests/tools/check.py matrix

test-awx: ## job templates, surveys and credentials as AWX uses them, against the lab and a stand-in for its API
	@$(PYTHON) tests/awx/run.py

lab-talos: ## a second lab of real Talos nodes, beside the first
	@$(PYTHON) tests/lab/talos.py up

lab-talos-down: ## take the Talos lab down; what was built stays in .lab
	@$(PYTHON) tests/lab/talos.py down

test-talos: ## the source document's story on real Talos: the label comes back, until the machine configuration loses it
	@$(PYTHON) tests/lab/talos.py test

test-report: ## the HTML report in headless Chromium: filter, keys, themes, a narrow screen, a large cluster
	@$(PYTHON) tests/browser/run.py

test-argocd: ## a real Argo CD in the lab syncs what role gitops writes: waves, healing, a second sync
	@$(PYTHON) tests/lab/argocd.py test

test-metallb: ## faults, healthy variants and the election on the LAN with each version of MetalLB
	@$(PYTHON) tests/lab/metallb.py test

record: ## record snapshots of the lab with each version of MetalLB, for the unit tests
	@$(PYTHON) tests/lab/metallb.py record

fuzz: ## every parser and renderer with damaged and hostile input, for FUZZ_SECONDS (120); FUZZ_SEED, FUZZ_TARGETS
	@$(PYTHON) tests/fuzz/fuzz_run.py

bench: ## how fast core and sweep are, beside other tools: minutes; with the lab's speakers where it stands
	@$(PYTHON) tests/bench/run.py

lab: ## the lab only
	@$(LAB) up

lab-down: ## take the lab down; what was built stays in .lab
	@$(LAB) down

lab-status: ## nodes, services and labels of the lab
	@$(LAB) status

lab-fault: ## inject a fault: make lab-fault NAME=… (without NAME: the list)
	@$(LAB) fault $(NAME)

lab-undo: ## take a fault back: make lab-undo NAME=…
	@$(LAB) undo $(NAME)
