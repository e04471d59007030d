# Needs Python 3.11 and make, nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
RUN ?= runs/demo
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test test-all lint lock readme

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# Trains on real handwritten digits, exports, scores, and shows; run again, it goes on where it was cut.
demo: .venv/installed
	$(BIN)/python tools/train.py --recipe=dual_d_selu_digits --model_dir=$(RUN)
	$(BIN)/python tools/export.py --model_dir=$(RUN) --output=$(RUN)/saved_model
	$(BIN)/python tools/evaluate.py --model=$(RUN)/saved_model --output=$(RUN)/score.json
	$(BIN)/python tools/sample.py --model=$(RUN)/saved_model --output=$(RUN)/samples.png --n=100
	$(BIN)/python tools/sample.py --model=$(RUN)/saved_model --output=$(RUN)/walk.gif
	@echo
	@echo "samples       $(RUN)/samples.png"
	@echo "latent walk   $(RUN)/walk.gif"
	@echo "loss curves   $(RUN)/curves.png"
	@echo "score record  $(RUN)/score.json"
	@echo "SavedModel    $(RUN)/saved_model"
	@echo
	@echo "look at it:   $(BIN)/ganzoo serve --model_name=demo --model_base_path=$(RUN)/saved_model"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest -m "not long" -n 2 --dist=loadscope

test-all: lint
	$(BIN)/python -m pytest -n 2 --dist=loadscope

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 -o requirements.lock

readme: .venv/installed
	$(BIN)/python tools/readme.py
