from recflow_glue.progress import iteration_at


def it_derives_the_iteration_from_the_finished_jobs():
    preparing, iteration, checkpoint = 3, 2, 1
    jobs = 0
    for n in range(1, 101):
        first = preparing if n == 1 else iteration + checkpoint if n % 5 == 1 else iteration
        assert [iteration_at(jobs + i) for i in range(first)] == [n - 1] * first
        jobs += first
        assert iteration_at(jobs) == n
