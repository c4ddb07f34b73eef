# Lines of cloudtrail_issues.jq -> the four metrics, each call counted once: of twins the one that knows who it was.
def by(f): group_by(f) | map({key: (.[0] | f), value: .});
def lower_median: sort | .[(length - 1) / 2 | floor];
def failed: map(select(.[6] != "")) | length;
def given: map(select(.[7])) | length;
[reduce inputs as $call ({}; if (.[$call[0]] == null) or ($call[1] and (.[$call[0]][1] | not))
                             then .[$call[0]] = $call else . end) | .[]]
| {
    failures: (map(select(.[6] != "")) | by([.[2], .[6]]) | map(.key + [.value | length])),
    principals: (by([.[2], .[3]]) | map(.key + [(.value | given), (.value | failed)])),
    accounts: (map(select(.[4] != "" and .[5] != "" and .[4] != .[5])) | by([.[4], .[5]])
               | map(.key + [(.value | length), (.value | failed)])),
    durations: (map(select(.[7])) | by(.[2])
                | map([.key, (.value | length), (.value | map(.[8]) | lower_median)]))
  }
