"""Requests and responses for the OpenAPI page. Tests send these very requests."""

from __future__ import annotations

REQUEST_ID = "019b0d0e-3b5a-7c61-b0b4-0d9f6f1f2a31"
ROWS_REQUEST = {"rows": [{"age": 52, "bmi": 27.5, "smoker": False}], "id": "patient-7"}
ROWS_RESPONSE = {
    "id": REQUEST_ID,
    "model": "example",
    "version": "3",
    "client_id": "patient-7",
    "predictions": [1],
    "probabilities": [{"0": 0.21, "1": 0.79}],
}
INFERENCE_REQUEST = {
    "id": "patient-7",
    "inputs": [
        {"name": "age", "datatype": "INT64", "shape": [1], "data": [52]},
        {"name": "bmi", "datatype": "FP64", "shape": [1], "data": [27.5]},
        {"name": "smoker", "datatype": "BOOL", "shape": [1], "data": [False]},
    ],
}
INFERENCE_RESPONSE = {
    "model_name": "example",
    "model_version": "3",
    "id": "patient-7",
    "parameters": {"request_id": REQUEST_ID, "client_id": "patient-7"},
    "outputs": [
        {"name": "prediction", "shape": [1], "datatype": "INT64", "data": [1]},
        {"name": "probabilities", "shape": [1, 2], "datatype": "FP64", "data": [0.21, 0.79]},
    ],
}
COLUMNS_REQUEST = {"columns": {"age": [52], "bmi": [27.5], "smoker": [False]}, "id": "patient-7"}
KSERVE_REQUESTS = {
    "objects": {"instances": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "lists": {"instances": [[52, 27.5, False]]},
}
KSERVE_RESPONSE = {"predictions": [1]}
KSERVE_COLUMNS_REQUEST = {"inputs": {"age": [52], "bmi": [27.5], "smoker": [False]}}
KSERVE_COLUMNS_RESPONSE = {"outputs": [1]}
MLFLOW_REQUESTS = {
    "dataframe_split": {
        "dataframe_split": {"columns": ["age", "bmi", "smoker"], "data": [[52, 27.5, False]]}
    },
    "dataframe_records": {"dataframe_records": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "instances": {"instances": [{"age": 52, "bmi": 27.5, "smoker": False}]},
    "inputs": {"inputs": {"age": [52], "bmi": [27.5], "smoker": [False]}},
}
MLFLOW_CSV_REQUEST = "age,bmi,smoker\n52,27.5,false\n"
MLFLOW_RESPONSE = {"predictions": [1]}
TABLE_REQUEST = {
    "inputs": [
        {"name": "input-0", "datatype": "FP64", "shape": [2, 3], "data": [52, 27.5, 0, 41, 24, 1]}
    ]
}
INDEX_RESPONSE = [{"name": "example", "version": "3", "state": "READY", "reason": ""}]
