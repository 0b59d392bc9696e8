# mrgsolve on the models, doses and people of benchmarks/engine.py: ms per patient. Run: Rscript race.R [patients]
library(mrgsolve)

wanted <- commandArgs(TRUE)
wanted <- if (length(wanted) > 0) as.integer(wanted[1]) else 256L

race <- function(name) {
  model <- zero_re(mread(name, project = ".", quiet = TRUE))
  doses <- read.csv(paste0(name, ".doses.csv"))
  people <- read.csv(paste0(name, ".people.csv"))
  people <- people[rep(seq_len(nrow(people)), length.out = wanted), ]
  people$ID <- seq_len(wanted)
  data <- merge(people, doses, by = NULL)
  data <- data[order(data$ID, data$TIME, data$CMT), ]
  for (rtol in c(1e-6, 1e-8)) {
    run <- function() {
      mrgsim_df(model, data = data, end = 672, delta = 1, obsonly = TRUE, rtol = rtol, atol = rtol * 1e-4, maxsteps = 100000)
    }
    run()
    seconds <- system.time(run())[["elapsed"]]
    cat(sprintf("%-20s %8.0e %10.4f ms/patient\n", name, rtol, 1000 * seconds / wanted))
  }
}

cat(sprintf("mrgsolve %s, %d patients, one core, 28 days, hourly output\n", packageVersion("mrgsolve"), wanted))
for (name in c("study_18_states", "ketasim_reference")) race(name)
